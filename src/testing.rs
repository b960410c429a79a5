//! Trials on real time: what a test of lines and time-outs does where the machine has other things to do as well.

use std::panic::{AssertUnwindSafe, resume_unwind};

use futures_util::FutureExt;

/// So often a trial may fail before the test does.
const TRIALS: usize = 6;

/// Runs a trial whose simulated meters must answer at their times. A loaded machine gives them their time late, and then a right program
/// fails too: such a trial is made again, from the start. What is wrong in the program fails every one of them.
pub(crate) async fn in_time(trial: impl AsyncFn()) {
    for _ in 1..TRIALS {
        if AssertUnwindSafe(trial()).catch_unwind().await.is_ok() {
            return;
        }
    }
    if let Err(reason) = AssertUnwindSafe(trial()).catch_unwind().await {
        resume_unwind(reason);
    }
}
