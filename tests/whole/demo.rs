//! `demo`, run without any other preparation.

use crate::harness::*;

#[tokio::test]
async fn the_demo_keeps_and_confirms_every_promise() {
    let site = Site::new(&Plan::new());
    let said = site.run(&["demo", "--for", "8s"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    for words in ["first report accepted", "SIGKILL", "replaces the meter", "ended well", "Every promise was kept"] {
        assert!(said.out.contains(words), "{words:?} is missing: {}", said.out);
    }
    assert!(said.out.contains("0 refused, 0 malformed, 0 figures that fell"), "{}", said.out);
}
