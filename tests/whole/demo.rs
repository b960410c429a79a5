//! `demo`, run without any other preparation.

use crate::harness::*;

#[tokio::test]
async fn the_demo_keeps_and_confirms_every_promise() {
    let site = Site::new(&Plan::new());
    let output = site.run(&["demo", "--for", "45s"]).await;
    assert_eq!(output.code, 0, "{output:?}");
    for words in [
        "first report accepted",
        "SIGKILL",
        "replaces the meter",
        "ended without error",
        "Every promise was kept",
        "its page at http://127.0.0.1:",
        "ledger replace workshop --old-reading",
        "workshop: the counter is accepted",
    ] {
        assert!(output.out.contains(words), "{words:?} is missing: {}", output.out);
    }
    let ends = output.out.lines().rev().take(4).filter(|line| line.trim_end().ends_with(" ok")).count();
    assert_eq!(ends, 4, "all meters are well at the end: {}", output.out);
    assert!(output.out.contains("0 refused, 0 malformed, 0 figures that fell"), "{}", output.out);
}

#[tokio::test]
async fn a_demo_too_short_for_a_report_is_refused() {
    let site = Site::new(&Plan::new());
    site.run(&["demo", "--for", "5s"]).await.complains(2, &["the demo needs at least 30s"]);
}
