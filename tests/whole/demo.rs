//! `demo`, run without any other preparation.

use crate::harness::*;

#[tokio::test]
async fn the_demo_keeps_and_confirms_every_promise() {
    let site = Site::new(&Plan::new());
    let output = site.run(&["demo", "--for", "30s"]).await;
    assert_eq!(output.code, 0, "{output:?}");
    for words in
        ["first report accepted", "SIGKILL", "replaces the meter", "ended without error", "Every promise was kept"]
    {
        assert!(output.out.contains(words), "{words:?} is missing: {}", output.out);
    }
    assert!(output.out.contains("0 refused, 0 malformed, 0 figures that fell"), "{}", output.out);
}
