use super::*;

#[test]
fn long_hex_numbers_are_shortened_anywhere() {
    let token = "0123456789abcdef".repeat(4);
    assert_eq!(masked(&format!("a = \"0x{token}\" # {token}")), "a = \"0x0123...cdef\" # 0123...cdef");
    assert_eq!(masked(&format!("{}e", &token[..31])), format!("{}...{}", "0123", "cdee"));
    assert_eq!(masked("0xdeadbeef"), "0xdeadbeef");
}

#[test]
fn a_password_in_a_url_is_masked_anywhere() {
    assert_eq!(masked("u = \"https://me:pa@ss@host/v1\" # http://b@c"), "u = \"https://***@host/v1\" # http://***@c");
    assert_eq!(masked("u = \"https://host/v1\" # a@b"), "u = \"https://host/v1\" # a@b");
}

#[test]
fn control_characters_are_replaced() {
    assert_eq!(masked("a\x1b[31m\r\nb\rc\u{202e}d\u{9b}ß\tü"), "a?[31m\nb?c?d?ß\tü");
}

#[test]
fn positions_and_lines_stay_right() {
    let text = "a = \"one\ntwo\" # x\nb = 5\n";
    let masked = Masked::new(text, std::slice::from_ref(&(4..13)));
    assert_eq!(masked.text, "a = ***\n*** # x\nb = 5\n");
    let b = text.find('5').unwrap();
    assert_eq!(&masked.text[masked.map_span(b..b + 1)], "5");
    assert_eq!(&masked.text[masked.map_span(4..13)], "***\n***");
    assert_eq!(masked.map_span(5..7), 4..4);
    assert_eq!(masked.map_span(90..99), masked.text.len()..masked.text.len());
}
