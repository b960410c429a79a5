use super::*;

#[tokio::test(start_paused = true)]
async fn a_hung_task_is_named_and_a_finished_one_is_not() {
    let hearts = Hearts::default();
    let (hung, mut waiting, finished) = (hearts.heart("bus a"), hearts.heart("bus b"), hearts.heart("bus c"));
    drop(finished);
    waiting.beating(tokio::time::sleep(STALLED_AFTER * 2)).await;
    assert_eq!(hearts.stalled(), ["bus a"]);
    hung.beat();
    assert!(hearts.stalled().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_task_whose_work_never_ends_hangs() {
    let hearts = Hearts::default();
    let mut heart = hearts.heart("bus a");
    let mut work = pin!(heart.beating(std::future::pending::<()>()));
    assert!(tokio::time::timeout(WORK_WITHIN, &mut work).await.is_err());
    assert!(hearts.stalled().is_empty(), "it may still end");
    assert!(tokio::time::timeout(STALLED_AFTER * 2, work).await.is_err());
    assert_eq!(hearts.stalled(), ["bus a"]);
}
