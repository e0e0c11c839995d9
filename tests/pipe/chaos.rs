//! A server process that is killed without warning again and again, a client process that goes on,
//! and a book in which every message has one fate.
//!
//! `NPIPES_CHAOS_KILLS` and `NPIPES_CHAOS_MESSAGES` set the scale; 20 and 10,000 are the default.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    env,
    io::{BufRead, BufReader, Lines, Read, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use bytes::{BufMut, Bytes, BytesMut};
use npipes::{
    Client, ConnectionOptions, Error, ListenerOptions,
    client::{ClientOptions, Delivered, DeliveredWhen, Fate, MessageId},
    frame::FrameFormat,
    pipe::Connector,
    retry::Backoff,
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{start::started, support::unique_name};

/// A process that lives so long hangs.
const LIFE_LIMIT: Duration = Duration::from_secs(1200);

/// Messages on their way at once: more than a pipe's buffer holds, so that kills meet messages
/// everywhere, kept, half written, written, read and not recorded.
const WINDOW: u64 = 100;

fn scale(variable: &str, default: u64) -> u64 {
    env::var(variable).map_or(default, |text| text.parse().unwrap())
}

/// Tasks that send, each in its own order.
const TASKS: u64 = 4;

/// The longest payload that a hard server allows, in bytes.
const SERVERS_MAX: u32 = 100_000;

/// Every 16th message is so large that a few of them fill the pipe. One in a hundred is more than a hard
/// server allows.
fn message(number: u64, is_hard: bool) -> Bytes {
    let len = match number {
        number if is_hard && is_refused(number) => 150_000,
        number if number % 16 == 0 => 20_000,
        number => usize::try_from(number % 100).unwrap(),
    };
    let mut message = BytesMut::with_capacity(8 + len);
    message.put_u64_le(number);
    message.put_bytes(0x5a, len);
    message.freeze()
}

/// Returns whether a hard server refuses this message at its header.
fn is_refused(number: u64) -> bool {
    number % 100 == 50
}

fn number(message: &[u8]) -> u64 {
    u64::from_le_bytes(message[..8].try_into().unwrap())
}

/// Writes a line to the parent, at once: what is written outlives this process.
fn tell(line: std::fmt::Arguments<'_>) {
    let line = format!("@{line}\n");
    std::io::stdout().write_all(line.as_bytes()).unwrap();
}

/// Not a test: what the two helper processes run.
#[test]
fn helper_process() {
    let Ok(role) = env::var("NPIPES_CHAOS_ROLE") else { return };
    let name = env::var("NPIPES_CHAOS_PIPE").unwrap();
    // The harness has written the beginning of a line.
    std::io::stdout().write_all(b"\n").unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let life = async {
            match &role[..] {
                "server" => serve(&name, false).await,
                "client" => send(&name, false).await,
                "hard server" => serve(&name, true).await,
                "client of a hard server" => send(&name, true).await,
                other => panic!("{other} is no role"),
            }
        };
        tokio::time::timeout(LIFE_LIMIT, life).await.unwrap();
    });
}

/// Records each message before it looks at the next, and then acknowledges it. Every third connection
/// is refused, if that is wanted: the server says why and hangs up.
async fn serve(name: &str, is_hard: bool) {
    let small = FrameFormat::new().max_payload(SERVERS_MAX);
    let options = ListenerOptions::new();
    let options = match is_hard {
        true => options.connection(ConnectionOptions::new().format(small)),
        false => options,
    };
    let mut listener = loop {
        match options.bind(name) {
            Ok(listener) => break listener,
            // The process before this one is dead, and its pipe not yet.
            Err(Error::NameTaken { .. }) => tokio::time::sleep(Duration::from_millis(1)).await,
            Err(error) => panic!("{error:?}"),
        }
    };
    for session in 0_u64.. {
        let mut connection = listener.accept().await.unwrap();
        if is_hard && session % 3 == 1 {
            let _ = connection.send("refused: too many clients").await;
            continue;
        }
        while let Ok(Some(received)) = connection.receive().await {
            let number = number(&received);
            assert!(received == message(number, is_hard)[..], "message {number} is damaged");
            tell(format_args!("recorded {session} {number}"));
            if connection.send(received.freeze().slice(..8)).await.is_err() {
                break;
            }
        }
    }
}

/// What the sending tasks and the receiving one share: the ids of the messages by their numbers.
#[derive(Default)]
struct Ids(Mutex<BTreeMap<u64, MessageId>>);

/// Sends numbers from several tasks until it is told to stop, and says of each what became of it.
async fn send(name: &str, is_hard: bool) {
    let stop = CancellationToken::new();
    let options = ClientOptions::new()
        .backoff(Backoff::new(Duration::from_millis(1), Duration::from_millis(20)))
        .delivered_when(DeliveredWhen::Acknowledged)
        .outbox(16 << 20);
    let connector = Connector::new(name).unwrap();
    let (client, mut inbox) =
        Client::builder(connector).options(options).shutdown_on(stop.clone()).spawn();
    thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        stop.cancel();
    });

    let ids = Arc::new(Ids::default());
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        tasks.spawn(send_every_fourth(task, client.clone(), Arc::clone(&ids), is_hard));
    }
    let acknowledging = async {
        while let Some(received) = inbox.receive().await.unwrap() {
            if received.len() == 8 {
                // Reserved, sent and noted under one lock: what is acknowledged is noted.
                let id = ids.0.lock().unwrap()[&number(&received)];
                client.acknowledge(id);
            }
        }
    };
    acknowledging.await;
    let mut accepted = 0;
    while let Some(done) = tasks.join_next().await {
        let (count, lines) = done.unwrap();
        accepted += count;
        // The parent listens only now; a line told before would fill the pipe to it.
        lines.iter().for_each(|line| tell(format_args!("{line}")));
    }
    let counters = client.close().await.stats;
    assert_eq!(counters.accepted, accepted);
    tell(format_args!("accepted {accepted}"));
}

/// Sends the numbers that are its own, so many at a time. Returns how many were accepted, and what is to
/// be told of them.
async fn send_every_fourth(
    task: u64,
    client: Client,
    ids: Arc<Ids>,
    is_hard: bool,
) -> (u64, Vec<String>) {
    let mut lines = Vec::new();
    let mut receipts = VecDeque::new();
    let mut next = task;
    let mut accepted = 0;
    loop {
        let is_open = match client.reserve().await {
            Ok(permit) => {
                let message = message(next, is_hard);
                let mut ids = ids.0.lock().unwrap();
                permit.send(message).is_ok_and(|receipt| {
                    ids.insert(next, receipt.id());
                    receipts.push_back((next, receipt));
                    true
                })
            }
            Err(_) => false,
        };
        if is_open {
            next += TASKS;
            accepted += 1;
        }
        while receipts.len() >= usize::try_from(WINDOW / TASKS).unwrap() || !is_open {
            let Some((number, receipt)) = receipts.pop_front() else {
                lines.push(format!("sent {task} {next}"));
                return (accepted, lines);
            };
            match receipt.await {
                Ok(Delivered::Acknowledged) => {}
                Ok(other) => panic!("{other:?}"),
                Err(returned) => {
                    assert!(returned.message == message(number, is_hard));
                    match returned.fate {
                        Fate::MaybeDelivered => lines.push(format!("maybe {number}")),
                        Fate::NotSent => lines.push(format!("unsent {number}")),
                        other => panic!("{other:?}"),
                    }
                }
            }
        }
    }
}

/// A helper process, which does not outlive the test.
struct Helper {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Helper {
    fn spawn(role: &str, name: &str) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        command
            .args(["chaos::helper_process", "--exact", "--nocapture"])
            .env("NPIPES_CHAOS_ROLE", role)
            .env("NPIPES_CHAOS_PIPE", name)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = started(|| command.spawn());
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    fn stdin(&mut self) -> ChildStdin {
        self.child.stdin.take().unwrap()
    }

    /// Returns the next thing that it tells, as words; `None` when it is dead and everything was
    /// read.
    fn hear(&mut self) -> Option<Vec<String>> {
        loop {
            let line = self.lines.next()?.unwrap();
            if let Some(words) = line.strip_prefix('@') {
                return Some(words.split(' ').map(str::to_owned).collect());
            }
        }
    }

    fn kill(&mut self) {
        // It is `TerminateProcess`: nothing of the process runs any more.
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What one life of the server has recorded.
#[derive(Default)]
struct Record(Vec<(u64, u64)>);

impl Record {
    fn hear(&mut self, server: &mut Helper) -> bool {
        let Some(words) = server.hear() else { return false };
        let [word, session, number] = &words[..] else { panic!("{words:?}") };
        assert_eq!(word, "recorded");
        self.0.push((session.parse().unwrap(), number.parse().unwrap()));
        true
    }
}

#[test]
fn a_server_that_is_killed_again_and_again_leaves_no_message_unaccounted_for() {
    audit("server", "client", false);
}

#[test]
fn nor_does_one_that_refuses_messages_and_connections_besides() {
    audit("hard server", "client of a hard server", true);
}

fn audit(server: &str, client: &str, is_hard: bool) {
    let start = Instant::now();
    let kills = scale("NPIPES_CHAOS_KILLS", 20);
    let messages = scale("NPIPES_CHAOS_MESSAGES", 10_000);
    let name = unique_name();
    let mut client = Helper::spawn(client, &name);
    let leash = client.stdin();

    let mut records = Vec::new();
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for life in 0..kills {
        let mut server = Helper::spawn(server, &name);
        let mut record = Record::default();
        // At any moment of its share of the messages; the last one dies when they are through.
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let moment = if life + 1 == kills { messages } else { (random >> 20) % messages };
        let target = (life * messages + moment) / kills;
        while record.0.last().is_none_or(|&(_, number)| number < target) {
            assert!(record.hear(&mut server), "the server died by itself");
        }
        server.kill();
        while record.hear(&mut server) {}
        records.push(record);
    }
    drop(leash);

    let (mut maybe, mut unsent, mut sent) = <(BTreeSet<_>, BTreeSet<_>, BTreeSet<_>)>::default();
    let mut accepted = None;
    while let Some(words) = client.hear() {
        let number: u64 = words[1].parse().unwrap();
        match &words[0][..] {
            "maybe" => assert!(maybe.insert(number), "{number} came back twice"),
            "unsent" => assert!(unsent.insert(number), "{number} came back twice"),
            "sent" => {
                let end: u64 = words[2].parse().unwrap();
                sent.extend((number..end).step_by(usize::try_from(TASKS).unwrap()));
            }
            "accepted" => accepted = Some(number),
            _ => panic!("{words:?}"),
        }
    }
    assert!(client.child.wait().unwrap().success());
    // A killed server leaves its socket's file; who comes after it leaves nothing.
    #[cfg(unix)]
    {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        drop(runtime.block_on(async { npipes::Listener::bind(&name) }).unwrap());
    }
    let accepted = accepted.unwrap();
    assert_eq!(sent.len(), usize::try_from(accepted).unwrap());
    assert!(accepted >= messages / 2);

    let mut arrived = BTreeSet::new();
    for (life, record) in records.iter().enumerate() {
        for task in 0..TASKS {
            let mine: Vec<_> = record.0.iter().filter(|(_, n)| n % TASKS == task).collect();
            assert!(mine.is_sorted(), "out of order within a connection of life {life}");
        }
        for &(_, number) in &record.0 {
            assert!(arrived.insert(number), "{number} was delivered twice");
            assert!(sent.contains(&number), "{number} was never sent");
            assert!(!is_hard || !is_refused(number), "{number} is too large to arrive");
        }
    }
    let delivered: BTreeSet<u64> =
        sent.iter().copied().filter(|n| !maybe.contains(n) && !unsent.contains(n)).collect();
    assert!(maybe.is_disjoint(&unsent), "two fates");
    assert!(arrived.is_disjoint(&unsent), "delivered, and said not to be sent");
    let lost: Vec<_> = delivered.difference(&arrived).collect();
    assert!(lost.is_empty(), "said to be delivered, and never recorded: {lost:?}");
    assert_eq!(delivered.len() + maybe.len() + unsent.len(), usize::try_from(accepted).unwrap());
    let _ = writeln!(
        std::io::stderr(),
        "chaos: {kills} kills, {accepted} messages: {} delivered, {} maybe delivered ({} of them \
         were), {} not sent, in {:?}",
        delivered.len(),
        maybe.len(),
        maybe.intersection(&arrived).count(),
        unsent.len(),
        start.elapsed(),
    );
}
