//! Nothing secret is ever shown, wherever in the file somebody put it.

use proptest::prelude::*;

use super::{GOOD, read};

const SECRET: &str = "hunter2hunter2";
const TOKEN: &str = "0x2222222222222222222222222222222222222222222222222222222222222222";

/// Everything that is said of `text`, in every form.
fn said(text: &str) -> String {
    let problems = match read(text) {
        Ok((_, problems)) | Err(problems) => problems,
    };
    format!("{problems}{}{problems:?}", problems.render(true))
}

#[test]
fn no_secret_is_shown_wherever_it_stands() {
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
                let said = said(&text);
                assert!(!said.is_empty());
                let shown = said.replace(&format!("`{SECRET}`"), "");
                assert!(!shown.contains(secret), "{text}\n---\n{shown}");
            }
        }
    }
}

#[test]
fn a_token_that_stands_in_place_of_something_else_is_not_shown_either() {
    for key in ["token_file", "token_credential", "url", "ca_file", "batch", "proxy"] {
        let said = said(&format!("[account.main]\n{key} = \"{TOKEN}\"\n[bus.a]\nserial = \"{TOKEN}\"\n"));
        assert!(!said.contains(TOKEN), "{said}");
        assert!(!said.contains(&TOKEN[..40]), "{said}");
    }
}

#[test]
fn a_token_is_told_where_it_belongs() {
    let text = format!("{GOOD}\n[account.other]\ntoken = \"{TOKEN}\"\n");
    let said = read(&text).unwrap_err().to_string();
    assert!(said.contains("`token` in [account.other]: no secret belongs in this file"), "{said}");
    assert!(said.contains("token = ***"), "{said}");
    assert!(said.contains("`token_file`") && said.contains("`token_credential`"), "{said}");
}

#[test]
fn control_characters_do_not_reach_the_terminal() {
    let text = "[meter.a]\nbus = 5 # \u{1b}[31m\u{202e}\u{9b}\rx\r\n\"\\u001b[2J\" = 1\n[bus.a]\ntcp = \"\u{7}\"\n";
    let problems = read(text).unwrap_err();
    let said = problems.to_string();
    let plain = |character: char| !character.is_control() || character == '\n';
    assert!(said.chars().all(plain), "{said:?}");
    assert!(!said.contains('\u{202e}'), "{said:?}");
}

proptest! {
    /// A secret stays hidden however the line around it is broken.
    #[test]
    fn no_damage_brings_a_secret_to_light(cut in 0_usize..400, with in "[\\[\\]{}=\"',. #\n\\\\a-z]{0,4}", length in 0_usize..3) {
        let text = format!("{GOOD}[account.b]\ntoken = \"{SECRET}\"\npassword = '{SECRET}'\n{}", GOOD.replace("main", "c"));
        let start = (GOOD.len() - 40 + cut % 120).min(text.len());
        let end = (start + length).min(text.len());
        prop_assume!(text.is_char_boundary(start) && text.is_char_boundary(end));
        let damaged = format!("{}{with}{}", &text[..start], &text[end..]);
        let said = said(&damaged);
        prop_assert!(!said.contains(SECRET), "{damaged}\n---\n{said}");
    }
}

#[test]
fn a_configuration_is_handed_on_as_written_and_without_what_is_secret() {
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
fn a_token_that_names_a_table_or_key_is_not_told_whole() {
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
        let said = said(&text);
        assert!(said.contains("error") && !said.contains(&digits[..32]), "{text}\n---\n{said}");
    }
}
