//! What polling costs.

use super::*;

/// Processor time of polling: `cargo test --lib -- --ignored --nocapture the_processor_time`.
#[test]
#[ignore = "a measurement"]
#[allow(clippy::print_stderr)]
fn the_processor_time_of_1000_polls() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    // The meters run in another thread, whose time is not counted.
    std::thread::spawn(move || {
        runtime().block_on(async {
            let gateway = SimulatedGateway::start((1..=100).map(simulated)).await.unwrap();
            sender.send(tcp(&gateway)).unwrap();
            std::future::pending::<()>().await;
        });
    });
    let bus = receiver.recv().unwrap();
    runtime().block_on(async {
        let meters = (1..=100).map(|unit| meter(unit, Duration::from_secs(1))).collect();
        let mut running = Running::start(bus, meters, 256);
        for _ in 0..100 {
            running.reading().await;
        }
        let before = processor_time();
        for _ in 0..1000 {
            running.reading().await;
        }
        eprintln!("{:?} for 1000 polls", processor_time() - before);
    });
}

/// Processor time of this thread. Source: proc(5), schedstat.
fn processor_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}
