//! A token in any text, whole or in part: no output and no support bundle shows it.
//!
//! The input: where the token is cut, whether it is in upper case, and the text; `@` marks its place in the text.

#![no_main]

use arkmeter::cli::support::Secrets;
use arkmeter::text;
use libfuzzer_sys::fuzz_target;

const TOKEN: &str = "7c1e93b05fd2a8467c1e93b05fd2a8467c1e93b05fd2a8467c1e93b05fd2a846";

fuzz_target!(|data: (u8, bool, &str)| {
    let (cut, upper, text) = data;
    let piece = &TOKEN[usize::from(cut % 57)..];
    let piece = if upper { piece.to_uppercase() } else { piece.to_owned() };
    let mut secrets = Secrets::default();
    secrets.add(&format!("0x{TOKEN}\n"));
    let packed = secrets.hide(&text.replace('@', &piece));
    assert_hidden(&packed);
    assert_eq!(packed.matches('\n').count(), text.matches('\n').count(), "the number of lines changed");
    assert!(packed.chars().all(|it| it == '\n' || !it.is_control() || it == '\t'), "{packed:?}");
    // A whole token is masked even where the mask does not know it.
    let whole = text.replace('@', TOKEN);
    for shown in [text::mask_hex(&whole), text::foreign(&whole, 4096)] {
        assert!(!shown.contains(TOKEN), "{shown}");
    }
    assert!(text::foreign(&whole, 64).len() <= 64);
});

fn assert_hidden(shown: &str) {
    let shown = shown.to_ascii_lowercase();
    for from in 0..=TOKEN.len() - 8 {
        assert!(!shown.contains(&TOKEN[from..from + 8]), "{shown}");
    }
}
