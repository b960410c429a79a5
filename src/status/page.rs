//! The status document as one HTML page: trouble first, then the tables. It loads nothing else and fits on a phone.

use maud::{DOCTYPE, Markup, html};

use super::document::Document;
use super::tables::{StatusCell, StatusTable, tables};
use super::words;

const STYLE: &str = "\
:root{color-scheme:light dark}body{font:16px/1.4 system-ui,sans-serif;margin:0 auto;max-width:60rem;padding:1rem}\
h1{font-size:1.4rem}h2{font-size:1.1rem;margin:1.5rem 0 .3rem}.scroll{overflow-x:auto}\
table{border-collapse:collapse;width:100%}th,td{padding:.3rem .6rem .3rem 0;text-align:left;vertical-align:top}\
th{font-weight:600}tr+tr td{border-top:1px solid #8884}.number{text-align:right;white-space:nowrap}\
.bad{color:#c62828;font-weight:600}.good{color:#2e7d32}footer{color:#888;margin-top:2rem}\
@media(prefers-color-scheme:dark){.bad{color:#ff8a80}.good{color:#81c784}}";

/// The page. Its Content-Security-Policy allows the style by `nonce`.
pub fn page(document: &Document, nonce: &str) -> String {
    let now = document.at;
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                title { "arkmeter" }
                meta name="viewport" content="width=device-width,initial-scale=1";
                meta http-equiv="refresh" content="10";
                style nonce=(nonce) { (maud::PreEscaped(STYLE)) }
            }
            body {
                h1 { "arkmeter" }
                @if document.trouble.is_empty() {
                    p.good { "All is well." }
                } @else {
                    ul { @for sentence in &document.trouble { li.bad { (sentence) } } }
                }
                @for sentence in &document.advice { p { (sentence) } }
                @for shown in tables(document) { (table(&shown)) }
                footer { "arkmeter " (document.version) ", started " (words::ago(document.started_at, now)) "; as of " (now) }
            }
        }
    };
    markup.into_string() + "\n"
}

fn table(table: &StatusTable) -> Markup {
    let class = |column: &str| column.starts_with('#').then_some("number");
    html! {
        h2 { (table.title) }
        div.scroll {
            table {
                tr { @for column in &table.head { th class=[class(column)] { (column.trim_start_matches('#')) } } }
                @for row in &table.rows {
                    tr { @for (column, cell) in table.head.iter().zip(row) { td class=[class(column)] { (content(cell)) } } }
                }
            }
        }
    }
}

fn content(cell: &StatusCell) -> Markup {
    html! {
        @match cell.good {
            None => { (cell.text) },
            Some(good) => { span class=(if good { "good" } else { "bad" }) { (cell.text) } },
        }
    }
}

#[cfg(test)]
mod tests;
