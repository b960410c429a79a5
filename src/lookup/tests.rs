use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use super::*;

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(20);

/// A name server: `dead...` is not answered until the test ends, `none` has no address, all else has one.
struct Server {
    lookup: HostLookup,
    asked: Arc<Mutex<Vec<String>>>,
    most_at_once: Arc<AtomicUsize>,
    _alive: mpsc::Sender<()>,
}

fn server(at_once: usize) -> Server {
    let (alive, ends) = mpsc::channel::<()>();
    let ends = Mutex::new(ends);
    let (asked, most_at_once) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
    let running = AtomicUsize::new(0);
    let (log, most) = (asked.clone(), most_at_once.clone());
    let lookup = HostLookup::resolving_with(at_once, move |name| {
        log.lock().unwrap().push(name.to_owned());
        most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        if name.starts_with("dead") {
            let _ = ends.lock().map(|ends| ends.recv());
        }
        running.fetch_sub(1, Ordering::SeqCst);
        match name {
            "none" => Err(io::ErrorKind::NotFound.into()),
            _ => Ok(vec![[192, 0, 2, 7].into()]),
        }
    });
    Server { lookup, asked, most_at_once, _alive: alive }
}

#[tokio::test]
async fn numbers_are_not_looked_up_and_names_are() {
    let server = server(2);
    for number in ["192.0.2.1:502", "[2001:db8::1]:502"] {
        let found = server.lookup.addresses(number, LONG).await.unwrap();
        assert_eq!(found, [number.parse::<SocketAddr>().unwrap()]);
    }
    assert!(server.asked.lock().unwrap().is_empty());
    let found = server.lookup.addresses("gateway:503", LONG).await.unwrap();
    assert_eq!(found, ["192.0.2.7:503".parse::<SocketAddr>().unwrap()]);
    let failure = server.lookup.addresses("none:502", LONG).await.unwrap_err();
    assert!(matches!(&failure, LookupError::Failed(error) if error.kind() == io::ErrorKind::NotFound), "{failure:?}");
    assert!(matches!(server.lookup.addresses("gateway", LONG).await, Err(LookupError::Failed(_))));
}

#[tokio::test]
async fn a_dead_name_server_takes_few_threads_and_one_look_up_for_each_name() {
    let server = server(4);
    for _ in 0..3 {
        let many: Vec<_> = (0..60).map(|number| format!("dead-{number}")).collect();
        let all = many.iter().map(|name| server.lookup.host(name, SHORT));
        for failure in futures_util::future::join_all(all).await {
            let failure = failure.unwrap_err().to_string();
            assert!(
                failure.starts_with("the name dead-") && failure.ends_with("is not found within 20ms"),
                "{failure}"
            );
        }
    }
    assert_eq!(server.most_at_once.load(Ordering::SeqCst), 4);
    assert_eq!(server.asked.lock().unwrap().len(), 4, "the others wait for a thread, each once");
    assert_eq!(server.lookup.0.lock().waiting.len(), 56);
    assert!(server.lookup.0.lock().wanted.values().all(|waiting| waiting.len() <= 1), "who has left is forgotten");
}

#[test]
fn slow_names_come_last_and_leave_half_of_the_threads() {
    let mut state = State::default();
    state.slow.extend(["slow-1", "slow-2", "slow-3"].map(str::to_owned));
    state.waiting.extend(["slow-1", "slow-2", "slow-3", "fast"].map(str::to_owned));
    let next: Vec<_> = (0..4).map(|_| state.next(4)).collect();
    assert_eq!(next, [Some("fast".into()), Some("slow-1".into()), Some("slow-2".into()), None]);
    state.done("slow-1", Ok(Vec::new()), true);
    assert_eq!(state.with_slow, 1);
    state.done("slow-2", Ok(Vec::new()), false);
    state.done("fast", Ok(Vec::new()), true);
    assert_eq!(state.with_slow, 0);
    assert_eq!(state.slow.iter().map(String::as_str).collect::<Vec<_>>(), ["fast", "slow-1", "slow-3"]);
}
