//! No secret is ever shown, at any place in the file.

use proptest::prelude::*;

use super::{GOOD, read};

const SECRET: &str = "hunter2hunter2";
const TOKEN: &str = "0x2222222222222222222222222222222222222222222222222222222222222222";

/// All output about `text`, in every form.
fn output_of(text: &str) -> String {
    let problems = match read(text) {
        Ok((_, problems)) | Err(problems) => problems,
    };
    format!("{problems}{}{problems:?}", problems.render(true))
}

#[test]
fn a_token_in_the_path_of_a_url_is_an_error_that_does_not_show_it() {
    let half = "deadbeef0123456789abcdef01234567";
    for key in ["url", "proxy"] {
        for path in [half.to_owned(), format!("v1/0x{half}"), format!("{half}{half}/v1"), format!("v1-{half}")] {
            let output = output_of(&format!("[account.a]\n{key} = \"https://host/{path}\""));
            assert!(output.contains("has a token in its path"), "{key} {path}: {output}");
            assert!(!output.contains("deadbeef") && !output.contains("cdef01234567"), "{key} {path}: {output}");
        }
    }
    let output = output_of("[account.a]\nurl = \"https://host/v1/deadbeef/cafe\"\ntoken_file = \"x\"");
    assert!(!output.contains("token in its path"), "{output}");
}

#[test]
fn no_secret_is_shown_at_any_place() {
    let wrong = [
        "token = \"SECRET\"",
        "token = SECRET",
        "token SECRET",
        "token = \"SECRET",
        "token = 'SECRET' x",
        "token = \"\"\"\nSECRET\n",
        "token = \"\"\"\nSECRET\\q\n\"\"\"",
        "token = [\"SECRET\", \"SECRET\"]",
        "token = [\n\"SECRET\"\n\"SECRET\"\n]",
        "token = [[\"SECRET\" \"SECRET\"]]",
        "token = { x = \"SECRET\" }",
        "token = { x = \"SECRET\" y = 1 }",
        "\"to\\u006ben\" = \"SECRET\"",
        "x.password.y = \"SECRET\"",
        "colour = \"SECRET\"",
        "token\n= SECRET",
        "[token]\nx = \"SECRET\"\nx = \"SECRET\"",
        "[[account]]\ntoken = \"SECRET\"",
        "[account.\"b c\"]\ntoken = \"SECRET\"",
        "[account]\n\"b c\" = { token_file = \"SECRET\", token = \"SECRET\" }",
        "[account.a]\ntoken = \"SECRET\"\ntoken = \"SECRET\"",
        "[account.a]\nurl = \"https://me:SECRET@host/v1\"",
        "[account.a]\nurl = \"https://SECRET@host/v1",
        "[account.a]\nurl = \"me:SECRET@host\"",
        "[account.a]\nurl = \"https://host/v1?key=SECRET\"",
        "[account.a]\nproxy = \"http://me:SECRET@host\"",
        "[account.a]\nproxy = \"me:SECRET\"",
        "[bus.a]\ntcp = \"me:SECRET@host\"",
        "[account.a]\ntoken_credential = \"SECRET/..\"",
        "[account.a]\ntoken_file = [\"SECRET\"]",
        "[account.a]\nbatch = { token = \"SECRET\" }",
        "[account.a]\nbatch = [{ token = \"SECRET\" }]",
        "[bus.a]\nserial = \"/dev/x\"\nkey = \"SECRET\"",
        "[bus.a]\ntcp = \"https://SECRET@host\"",
        "[meter.a]\nbus = { bearer = \"SECRET\", unit 1 }",
        "[status]\nhosts = [\"a\", { password = \"SECRET\" }]",
        "account = { a = { token = \"SECRET\" url = 1 } }",
        "account = { a = { token: \"SECRET\" } }",
        "x = {password = 'SECRET'\n",
    ];
    for wrong in wrong {
        for secret in [SECRET, TOKEN, &TOKEN[2..]] {
            let text = wrong.replace("SECRET", secret);
            for text in [format!("{text}\n{GOOD}"), format!("{GOOD}\n{text}\n"), text] {
                let output = output_of(&text);
                assert!(!output.is_empty());
                let shown = output.replace(&format!("`{SECRET}`"), "");
                assert!(!shown.contains(secret), "{text}\n---\n{shown}");
            }
        }
    }
}

#[test]
fn a_token_in_place_of_another_value_is_not_shown() {
    for key in ["token_file", "token_credential", "url", "ca_file", "batch", "proxy"] {
        let output = output_of(&format!("[account.main]\n{key} = \"{TOKEN}\"\n[bus.a]\nserial = \"{TOKEN}\"\n"));
        assert!(!output.contains(TOKEN), "{output}");
        assert!(!output.contains(&TOKEN[..40]), "{output}");
    }
}

#[test]
fn a_misplaced_token_gets_the_right_place() {
    let text = format!("{GOOD}\n[account.other]\ntoken = \"{TOKEN}\"\n");
    let output = read(&text).unwrap_err().to_string();
    assert!(output.contains("`token` in [account.other]: no secret belongs in this file"), "{output}");
    assert!(output.contains("token = ***"), "{output}");
    assert!(output.contains("`token_file`") && output.contains("`token_credential`"), "{output}");
}

#[test]
fn control_characters_do_not_reach_the_terminal() {
    let text = "[meter.a]\nbus = 5 # \u{1b}[31m\u{202e}\u{9b}\rx\r\n\"\\u001b[2J\" = 1\n[bus.a]\ntcp = \"\u{7}\"\n";
    let problems = read(text).unwrap_err();
    let output = problems.to_string();
    let plain = |character: char| !character.is_control() || character == '\n';
    assert!(output.chars().all(plain), "{output:?}");
    assert!(!output.contains('\u{202e}'), "{output:?}");
}

proptest! {
    /// A secret stays hidden if the line around it is damaged.
    #[test]
    fn no_damaged_file_shows_a_secret(cut in 0_usize..400, with in "[\\[\\]{}=\"',. #\n\\\\a-z]{0,4}", length in 0_usize..3) {
        let text = format!("{GOOD}[account.b]\ntoken = \"{SECRET}\"\npassword = '{SECRET}'\n{}", GOOD.replace("main", "c"));
        let start = (GOOD.len() - 40 + cut % 120).min(text.len());
        let end = (start + length).min(text.len());
        prop_assume!(text.is_char_boundary(start) && text.is_char_boundary(end));
        let damaged = format!("{}{with}{}", &text[..start], &text[end..]);
        let output = output_of(&damaged);
        prop_assert!(!output.contains(SECRET), "{damaged}\n---\n{output}");
    }
}

#[test]
fn a_configuration_is_shown_as_written_without_secrets() {
    let environment = super::super::Environment::default();
    let shown = |text: &str| super::super::shown_text(text, &environment);
    let plain = GOOD.replace("0x", "0y");
    assert_eq!(
        shown("# the box in the cellar\n[state] # here\npath = \"/x\" # a = b\n"),
        "# the box in the cellar\n[state] # here\npath = \"/x\" # a = b\n"
    );
    assert_eq!(shown(&plain).lines().count(), plain.lines().count());
    let wrong = [
        "# token = SECRET",
        "#token SECRET",
        "path = 1 # the password is SECRET",
        "#[account.a]\n#api_key = 'SECRET'",
        "token = \"SECRET\"",
        "token = SECRET",
        "[nonsense]\ncolour = \"SECRET\"",
        "[account.a]\nurl = \"https://me:SECRET@host/v1\"",
        "[account.a]\nurl https://me:SECRET@host/v1\n= =",
        "= [\nSECRET\n",
        "[status]\nsocket = { a = \"SECRET\"",
    ];
    for wrong in wrong {
        for secret in [SECRET, TOKEN, &TOKEN[2..]] {
            let text = wrong.replace("SECRET", secret);
            for text in [format!("{text}\n{GOOD}"), format!("{GOOD}\n{text}\n"), text] {
                let shown = shown(&text);
                assert!(!shown.contains(secret), "{text}\n---\n{shown}");
            }
        }
    }
}

#[test]
fn a_token_as_a_table_or_key_name_is_masked() {
    let digits = &TOKEN[2..];
    let wrong = read(&format!("{GOOD}\n[bus.x{}]\ntcp = \"a:502\"\n", &digits[..32])).unwrap_err();
    assert!(wrong.to_string().contains("is not a name"), "{wrong}");
    for text in [
        format!("[account.\"{digits}\"]\nx = 1\n"),
        format!("[account.{digits}]\ntoken_file = \"t\"\n"),
        format!("[{digits}]\n"),
        format!("[bus.a]\n{digits} = 1\n"),
        format!("[bus.{digits}]\ntcp = 1\n[meter.a]\nbus = \"{digits}\"\n"),
        format!("[profile.{digits}]\n"),
    ] {
        let output = output_of(&text);
        assert!(output.contains("error") && !output.contains(&digits[..32]), "{text}\n---\n{output}");
    }
}
