use std::time::Duration;

use tokio::time::timeout;

use super::*;

#[tokio::test]
async fn jobs_are_done_in_order_in_one_thread_with_the_name() {
    let mut worker = Worker::new("ledger");
    let thread = || (std::thread::current().id(), std::thread::current().name().map(str::to_owned));
    let (first, second) = (worker.run(thread), worker.run(thread));
    let first = first.await.unwrap();
    assert_eq!(first.1.as_deref(), Some("ledger"));
    assert_eq!(first, second.await.unwrap());
}

#[tokio::test]
async fn a_job_that_hangs_delays_no_other_worker_and_its_result_is_not_lost() {
    let (release, released) = std::sync::mpsc::channel::<()>();
    let mut hanging = Worker::new("hangs");
    let mut work = hanging.run(move || released.recv().is_err());
    assert_eq!(once("works", || 7).await, Ok(7));
    assert!(timeout(Duration::from_millis(20), &mut work).await.is_err());
    drop(release);
    assert_eq!(work.await, Ok(true));
}

#[tokio::test]
async fn a_dropped_worker_still_does_its_jobs() {
    let mut worker = Worker::new("drops");
    let work = worker.run(|| 7);
    drop(worker);
    assert_eq!(work.await, Ok(7));
}
