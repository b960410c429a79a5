use tokio::sync::oneshot;

use super::*;

#[tokio::test]
async fn commands_wait_during_other_work_up_to_the_limit() {
    let (sender, receiver) = mpsc::channel(100);
    let mut queue = CommandQueue::new(receiver);
    let mut replies = Vec::new();
    for _ in 0..20 {
        let (reply, answer) = oneshot::channel::<()>();
        sender.send(reply).await.unwrap();
        replies.push(answer);
    }
    queue.unless_closed(tokio::task::yield_now()).await.unwrap();
    let closed = Err(oneshot::error::TryRecvError::Closed);
    let dropped = replies.iter_mut().map(|answer| answer.try_recv()).filter(|reply| *reply == closed);
    assert_eq!(dropped.count(), 4);
    assert!(queue.next().await.is_ok());
}

#[tokio::test]
async fn closing_the_queue_interrupts_the_work() {
    let (sender, receiver) = mpsc::channel::<()>(1);
    let mut queue = CommandQueue::new(receiver);
    drop(sender);
    assert_eq!(queue.unless_closed(std::future::pending::<()>()).await, Err(QueueClosed));
    assert_eq!(queue.next().await, Err(QueueClosed));
}
