use super::*;
use crate::status::compose::tests::{cabinet, document, guarded, poll};

/// A hostile text adds no `<` or `>` to the page.
#[test]
fn the_text_of_a_meter_is_escaped() {
    let mut inputs = cabinet();
    let hostile = "</li><script>alert(1)</script><img src=x onerror='alert(2)'> \"&amp;";
    poll(&mut inputs).error = Some(hostile.to_owned());
    inputs.accounts.get_mut("main").unwrap().error = Some(hostile.to_owned());
    inputs
        .accounts
        .get_mut("main")
        .unwrap()
        .clients
        .insert(crate::units::Name::new("heat_pump").unwrap(), hostile.to_owned());
    inputs.remarks = vec![hostile.to_owned()];
    inputs.stalled = vec![hostile.to_owned()];
    let html = page(&document(&inputs), "nonce");
    assert!(!html.contains("<script") && !html.contains("<img"), "{html}");
    assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;&lt;img src=x onerror='alert(2)'&gt; &quot;&amp;amp;"));
    let mut hostile_document = document(&cabinet());
    hostile_document.version = hostile.to_owned();
    hostile_document.meters.get_mut("heat_pump").unwrap().verdict = Some(hostile.to_owned());
    hostile_document.clients.get_mut("heat_pump").unwrap().client_id = hostile.to_owned();
    let html = page(&hostile_document, hostile);
    assert!(!html.contains("<script") && !html.contains("<img"), "{html}");
}

#[test]
fn the_page_shows_the_content_of_the_document() {
    let html = page(&document(&cabinet()), "abc");
    for text in [
        "All is well.",
        "heat_pump",
        "1.50 kW",
        "180004.166 kWh",
        "1 s ago",
        "advanced",
        "0x1212…1212",
        "<style nonce=\"abc\">",
    ] {
        assert!(html.contains(text), "{text}\n{html}");
    }
    for elsewhere in ["http:", "https:", "<script", "<link", "style=\"", "src="] {
        assert!(!html.contains(elsewhere), "{elsewhere}");
    }
}

#[test]
fn trouble_comes_first() {
    let mut inputs = cabinet();
    guarded(&mut inputs).held = Some("the register fell".to_owned());
    let html = page(&document(&inputs), "abc");
    let trouble = html.find("Meter heat_pump is held: the register fell.").unwrap();
    assert!(trouble < html.find("<table").unwrap());
    assert!(!html.contains("All is well."));
    assert!(html.contains("<span class=\"bad\">held</span>"));
}
