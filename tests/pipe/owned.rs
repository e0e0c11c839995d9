//! Who owns a name when a listener has a limit: the listener, at every instant, and no client finds it
//! absent.

use std::{
    io::ErrorKind::NotFound,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::FutureExt;
use npipes::{Listener, connect};
use tokio::task::yield_now;

use crate::{
    files::skips,
    limit::{is_full, is_taken, is_taken_and_busy, limited, meet, turns_of_the_driver},
    plain::{is_busy, open},
    support::{unique_name, within},
};

const LIMITS: [u8; 4] = [1, 2, 3, 254];

#[tokio::test]
async fn as_many_clients_get_in_as_the_limit_says_and_none_by_the_instance_that_holds_the_name() {
    if skips(
        "as_many_clients_get_in_as_the_limit_says_and_none_by_the_instance_that_holds_the_name",
    ) {
        return;
    }
    for max in LIMITS {
        let name = unique_name();
        let mut listener = limited(max).bind(&name).unwrap();
        let clients: Vec<_> = std::iter::from_fn(|| open(&name).ok()).collect();
        assert_eq!(clients.len(), usize::from(max));
        is_taken(&name);
        is_full(&name);
        let mut accepted = Vec::new();
        for _ in 0..max {
            accepted.push(within(listener.accept()).await.unwrap());
        }
        is_taken_and_busy(&name);
    }
}

#[tokio::test]
async fn the_name_stays_the_listeners_when_all_clients_have_left_and_accept_is_not_awaited() {
    if skips("the_name_stays_the_listeners_when_all_clients_have_left_and_accept_is_not_awaited") {
        return;
    }
    for max in LIMITS {
        let name = unique_name();
        let mut listener = limited(max).bind(&name).unwrap();
        let mut ends = Vec::new();
        for _ in 0..max {
            ends.push(meet(&name, &mut listener).await);
        }
        drop(ends);
        for _ in 0..50 {
            is_taken_and_busy(&name);
            yield_now().await;
        }
        // It is as good as new.
        for _ in 0..max {
            meet(&name, &mut listener).await;
        }
    }
}

#[tokio::test]
async fn the_name_is_never_absent_while_accept_is_awaited_and_clients_come_and_go() {
    if skips("the_name_is_never_absent_while_accept_is_awaited_and_clients_come_and_go") {
        return;
    }
    for max in LIMITS {
        let name = unique_name();
        let mut listener = limited(max).bind(&name).unwrap();
        let served = tokio::spawn(async move {
            for _ in 0..300 {
                drop(listener.accept().await.unwrap());
            }
            listener
        });
        let mut got_in = 0;
        while got_in < 300 {
            match open(&name) {
                Ok(client) => {
                    got_in += 1;
                    drop(client);
                }
                Err(error) => {
                    assert!(is_busy(&error), "{error}");
                    within(yield_now()).await;
                }
            }
        }
        drop(within(served).await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_who_wants_the_name_never_gets_it_while_clients_come_and_go() {
    let name = unique_name();
    let mut listener = limited(1).bind(&name).unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let rival = std::thread::spawn({
        let (name, over) = (name.clone(), Arc::clone(&over));
        let runtime = tokio::runtime::Handle::current();
        move || {
            let _entered = runtime.enter();
            let mut tries = 0_u32;
            while !over.load(Ordering::Relaxed) || tries == 0 {
                is_taken(&name);
                tries += 1;
            }
        }
    });
    for _ in 0..200 {
        // A rival that Wine lets in for a moment, before it looks, can be who a client meets.
        let client = tokio::spawn({
            let name = name.clone();
            async move { connect(&name).await.map(drop) }
        });
        while !client.is_finished() {
            let _ = tokio::time::timeout(Duration::from_millis(1), listener.accept()).await;
        }
        let _ = within(client).await.unwrap();
    }
    over.store(true, Ordering::Relaxed);
    rival.join().unwrap();
}

#[cfg(windows)]
#[tokio::test]
async fn a_listener_for_the_python_module_keeps_its_name_between_two_clients() {
    let name = unique_name();
    let mut listener = npipes::ListenerOptions::new().for_npipes_1_0_1().bind(&name).unwrap();
    for _ in 0..20 {
        let (client, mut server) = meet(&name, &mut listener).await;
        assert_eq!(server.get_ref().pipe_type().unwrap(), npipes::pipe::PipeType::Message);
        drop(client);
        assert_eq!(within(server.receive()).await.unwrap(), None);
        is_taken_and_busy(&name);
        drop(server);
        is_taken_and_busy(&name);
    }
}

#[cfg(windows)]
#[tokio::test]
async fn while_a_listener_has_all_its_instances_no_server_can_join_its_name() {
    for max in [1, 2, 253] {
        let name = unique_name();
        let mut listener = limited(max).bind(&name).unwrap();
        let options = tokio::net::windows::named_pipe::ServerOptions::new();
        let is_refused = || options.create(listener.name().as_str()).is_err_and(|e| is_busy(&e));
        assert!(is_refused());
        let _ends = meet(&name, &mut listener).await;
        let is_refused = || options.create(listener.name().as_str()).is_err_and(|e| is_busy(&e));
        assert!(is_refused());
    }
}

#[tokio::test]
async fn a_listener_that_is_closed_at_the_limit_leaves_no_instance_behind() {
    for max in [1, 2, 3] {
        let name = unique_name();
        for held in 0..=max {
            let mut listener = limited(max).bind(&name).unwrap();
            let mut ends = Vec::new();
            for _ in 0..held {
                ends.push(meet(&name, &mut listener).await);
            }
            assert!(listener.accept().now_or_never().is_none());
            within(listener.close()).await;
            let error = open(&name).unwrap_err();
            // An instance keeps the name on Windows, and a socket does not.
            match cfg!(windows) && held > 0 {
                true => assert!(is_busy(&error), "{held} of {max}"),
                false => assert_eq!(error.kind(), NotFound, "{held} of {max}"),
            }
            drop(ends);
            turns_of_the_driver().await;
            assert_eq!(open(&name).unwrap_err().kind(), NotFound, "{held} of {max}");
        }
    }
}

#[tokio::test]
async fn a_listener_that_is_dropped_at_the_limit_lets_nobody_in() {
    for held in [0, 1] {
        let name = unique_name();
        let mut listener = limited(1).bind(&name).unwrap();
        let ends = if held == 0 { None } else { Some(meet(&name, &mut listener).await) };
        assert!(listener.accept().now_or_never().is_none());
        drop(listener);
        drop(ends);
        for _ in 0..16 {
            assert!(open(&name).is_err());
            yield_now().await;
        }
        Listener::bind(&name).unwrap();
    }
}
