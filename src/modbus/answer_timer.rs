//! Awaits the answer to a request, but not for longer than it may take.

use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use super::transport::SharedTransport;

/// How long an answer is awaited.
#[derive(Clone, Copy)]
pub(super) struct ResponseTimeout {
    /// When the request is sent.
    pub(super) begin: Instant,
    /// Until its first byte.
    pub(super) first_byte: Duration,
    pub(super) whole: Duration,
}

/// The timer of one request after the other. It is only moved from one to the next: that costs much less than a new one.
#[derive(Default)]
pub(super) struct AnswerTimer(Option<Pin<Box<Sleep>>>);

impl AnswerTimer {
    /// The exchange's outcome; `None` where there is no answer in time, or the transport knows that there will be none.
    pub(super) async fn answered<T>(
        &mut self,
        exchange: impl Future<Output = T>,
        transport: &SharedTransport,
        timeout: ResponseTimeout,
    ) -> Option<T> {
        let mut exchange = pin!(exchange);
        let mut answered = std::future::poll_fn(|cx| match exchange.as_mut().poll(cx) {
            Poll::Ready(outcome) => Poll::Ready((!transport.lock().failed()).then_some(outcome)),
            Poll::Pending if transport.lock().failed() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        });
        let timer = self.0.get_or_insert_with(|| Box::pin(sleep_until(timeout.begin)));
        for within in [timeout.first_byte, timeout.whole] {
            timer.as_mut().reset(timeout.begin + within);
            tokio::select! {
                biased;
                outcome = &mut answered => return outcome,
                () = timer.as_mut() => {}
            }
            if timeout.first_byte == timeout.whole || !transport.lock().received_any() {
                break;
            }
        }
        None
    }
}
