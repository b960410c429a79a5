use super::*;

#[test]
fn a_possible_secret_is_shortened() {
    let token = "ab12".repeat(16);
    assert_eq!(mask_hex(&format!("token 0x{token}, sorry")), "token 0xab12...ab12, sorry");
    assert_eq!(mask_hex("deadbeef stays"), "deadbeef stays");
    assert_eq!(mask_hex(&format!("é{token}é")), "éab12...ab12é");
}

#[test]
fn control_characters_never_reach_a_terminal() {
    assert_eq!(foreign("\x1b[31mred\n<b>é", 64), "?[31mred?<b>?");
    assert_eq!(foreign("0123456789", 8), "01234...");
}
