//! A server process that is killed without warning again and again, a client process that goes on,
//! and a book in which every message has one fate.
//!
//! `NPIPES_CHAOS_KILLS` and `NPIPES_CHAOS_MESSAGES` set the scale; 20 and 10,000 are the default.

use std::{
    collections::BTreeSet,
    env,
    io::{BufRead, BufReader, Lines, Read, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use bytes::{BufMut, Bytes, BytesMut};
use npipes::{
    Backoff, Client, ClientOptions, Connector, DeliveredWhen, Error, Fate, Listener, MessageId,
};
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

/// Every 16th message is so large that a few of them fill the pipe.
fn message(number: u64) -> Bytes {
    let len = if number % 16 == 0 { 20_000 } else { usize::try_from(number % 100).unwrap() };
    let mut message = BytesMut::with_capacity(8 + len);
    message.put_u64_le(number);
    message.put_bytes(0x5a, len);
    message.freeze()
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
                "server" => serve(&name).await,
                "client" => send(&name).await,
                other => panic!("{other} is no role"),
            }
        };
        tokio::time::timeout(LIFE_LIMIT, life).await.unwrap();
    });
}

/// Records each message before it looks at the next, and then acknowledges it.
async fn serve(name: &str) {
    let mut listener = loop {
        match Listener::bind(name) {
            Ok(listener) => break listener,
            // The process before this one is dead, and its pipe not yet.
            Err(Error::NameTaken { .. }) => tokio::time::sleep(Duration::from_millis(1)).await,
            Err(error) => panic!("{error:?}"),
        }
    };
    for session in 0.. {
        let mut connection = listener.accept().await.unwrap();
        while let Ok(Some(received)) = connection.receive().await {
            let number = number(&received);
            assert!(received == message(number)[..], "message {number} is damaged");
            tell(format_args!("recorded {session} {number}"));
            if connection.send(received.freeze().slice(..8)).await.is_err() {
                break;
            }
        }
    }
}

/// Sends numbers until it is told to stop, and says of each what became of it.
async fn send(name: &str) {
    let stop = CancellationToken::new();
    let options = ClientOptions::new()
        .backoff(Backoff::new(Duration::from_millis(1), Duration::from_millis(20)))
        .delivered_when(DeliveredWhen::Acknowledged)
        .buffer(16 << 20);
    let mut client =
        Client::with_options(Connector::new(name).unwrap(), &options).shutdown_on(stop.clone());
    thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        stop.cancel();
    });

    let mut ids: Vec<MessageId> = Vec::new();
    let mut returned = Vec::new();
    'sending: loop {
        while client.next_id().get() - client.settled().get() < WINDOW {
            match client.feed(message(ids.len() as u64)).await {
                Ok(id) => ids.push(id),
                Err(Error::Returned { .. }) => returned.extend(client.take_returned()),
                Err(Error::Closed) => break 'sending,
                Err(error) => panic!("{error:?}"),
            }
        }
        match client.receive().await {
            Ok(Some(acknowledgement)) => {
                let number = usize::try_from(number(&acknowledgement)).unwrap();
                client.acknowledge(ids[number]);
            }
            Ok(None) => break,
            Err(Error::Returned { .. }) => returned.extend(client.take_returned()),
            Err(error) => panic!("{error:?}"),
        }
    }
    returned.extend(client.close().await.returned);
    for one in returned {
        let number = number(&one.message);
        assert_eq!(one.id, ids[usize::try_from(number).unwrap()]);
        assert!(one.message == message(number));
        match one.fate {
            Fate::MaybeDelivered => tell(format_args!("maybe {number}")),
            Fate::NotSent => tell(format_args!("unsent {number}")),
            other => panic!("{other:?}"),
        }
    }
    tell(format_args!("accepted {}", ids.len()));
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
    let start = Instant::now();
    let kills = scale("NPIPES_CHAOS_KILLS", 20);
    let messages = scale("NPIPES_CHAOS_MESSAGES", 10_000);
    let name = unique_name();
    let mut client = Helper::spawn("client", &name);
    let leash = client.stdin();

    let mut records = Vec::new();
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for life in 0..kills {
        let mut server = Helper::spawn("server", &name);
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

    let (mut maybe, mut unsent, mut accepted) = (BTreeSet::new(), BTreeSet::new(), None);
    while let Some(words) = client.hear() {
        let number: u64 = words[1].parse().unwrap();
        match &words[0][..] {
            "maybe" => assert!(maybe.insert(number), "{number} came back twice"),
            "unsent" => assert!(unsent.insert(number), "{number} came back twice"),
            "accepted" => accepted = Some(number),
            _ => panic!("{words:?}"),
        }
    }
    assert!(client.child.wait().unwrap().success());
    let accepted = accepted.unwrap();
    assert!(accepted >= messages);

    let mut arrived = BTreeSet::new();
    for (life, record) in records.iter().enumerate() {
        assert!(record.0.is_sorted(), "out of order within a connection of life {life}");
        for &(_, number) in &record.0 {
            assert!(arrived.insert(number), "{number} was delivered twice");
        }
    }
    let delivered: BTreeSet<u64> =
        (0..accepted).filter(|n| !maybe.contains(n) && !unsent.contains(n)).collect();
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
