//! Two processes that know nothing of each other but the name.

use std::{env, io::BufRead, time::Duration};

use npipes::ipc::{Delivery, Ipc};

use crate::{
    child::{Process, tell},
    support::{pattern, unique_name, within},
};

/// Names the pipe to [`the_other_process`].
const NAME: &str = "NPIPES_TEST_IPC_NAME";

/// The program of either process: sends and receives as it is told on standard input. By itself it
/// does nothing.
#[tokio::test]
async fn the_other_process() {
    let Ok(name) = env::var(NAME) else {
        return;
    };
    let mut ipc = Ipc::named(name).unwrap();
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let answer = match line.split_once(' ') {
            Some(("send", text)) => match ipc.send_text(text).await {
                Ok(Delivery::Read) => "read".to_owned(),
                other => format!("{other:?}"),
            },
            _ => match ipc.receive_text().await {
                Ok(text) => text,
                Err(e) => format!("{e:?}"),
            },
        };
        tell(answer);
    }
}

fn start(name: &str) -> Process {
    Process::start("ipc::processes::the_other_process", NAME, name)
}

/// One round: which process sends, whether it is told so first, and how long before the other one.
/// The pause is no condition of anything: it makes either side come first, by far or by a hair.
async fn round(processes: &mut [Process; 2], text: &str, dice: &[u8]) {
    let [one, other] = processes;
    let (sender, receiver) = if dice[0] % 2 == 0 { (one, other) } else { (other, one) };
    let pause = Duration::from_millis(u64::from(dice[2] % 4));
    let send = format!("send {text}");
    if dice[1] % 2 == 0 {
        sender.order(&send).await;
        tokio::time::sleep(pause).await;
        receiver.order("receive").await;
    } else {
        receiver.order("receive").await;
        tokio::time::sleep(pause).await;
        sender.order(&send).await;
    }
    let (sent, received) = tokio::join!(sender.answer(), receiver.answer());
    assert_eq!((received.as_str(), sent.as_str()), (text, "read"));
}

#[tokio::test]
async fn for_500_rounds_every_message_of_two_processes_arrives() {
    let name = unique_name();
    let mut processes = [start(&name), start(&name)];
    for (n, dice) in pattern(3 * 500, 5).chunks(3).enumerate() {
        round(&mut processes, &format!("round {n}"), dice).await;
    }
    for process in processes {
        process.end().await;
    }
}

/// `NPIPES_IPC_STARTS` sets how many times: 500 take minutes.
#[tokio::test]
async fn processes_that_start_at_the_same_time_meet() {
    let count = env::var("NPIPES_IPC_STARTS").map_or(10, |count| count.parse().unwrap());
    for (n, dice) in pattern(3 * count, 6).chunks(3).enumerate() {
        let name = unique_name();
        let mut processes = [start(&name), start(&name)];
        round(&mut processes, &format!("round {n}"), dice).await;
        for process in processes {
            process.end().await;
        }
    }
}

/// The pause is no condition of anything: it lets the other process come as far as it may.
#[tokio::test]
async fn an_end_that_is_killed_at_any_moment_leaves_the_name_to_the_others() {
    let name = unique_name();
    let (mut here, mut there) = (Ipc::named(&name).unwrap(), Ipc::named(&name).unwrap());
    for dice in pattern(2 * 20, 7).chunks(2) {
        let mut process = start(&name);
        process.order(if dice[0] % 2 == 0 { "receive" } else { "send lost" }).await;
        let sending = tokio::spawn(async move {
            // The process that is killed may be the one that gets it.
            for _ in 0..2 {
                here.send_text("kept").await.unwrap();
            }
            here
        });
        tokio::time::sleep(Duration::from_millis(u64::from(dice[1] % 32))).await;
        process.kill().await;
        while within(there.receive_text()).await.unwrap() != "kept" {}
        // The rest of what was sent, if any.
        let receiving = tokio::spawn(async move {
            loop {
                there.receive_text().await.unwrap();
            }
        });
        here = within(sending).await.unwrap();
        receiving.abort();
        let _ = receiving.await;
        there = Ipc::named(&name).unwrap();
    }
}
