//! The slide rule: from 0 to what the connection carries; the band is the range of the last 24 hours, the needle the present value.

use maud::{Markup, html};

use super::number;
use super::power::extremes;
use crate::history::PowerPoint;
use crate::units::Milliwatts;

/// The gauge of `what`, such as a meter's name. Nothing without a limit.
pub(in crate::status) fn gauge(
    id: &str,
    what: &str,
    now: Option<Milliwatts>,
    limit: Milliwatts,
    points: &[Option<PowerPoint>],
) -> Markup {
    let most = limit.watts().max(1.0);
    let percent = |watts: f64| (100.0 * watts / most).clamp(0.0, 100.0);
    let range = extremes(points);
    let words = |watts: f64| Milliwatts((watts * 1e3) as i64).in_words();
    let shown = now.map_or("power unknown".to_owned(), |now| format!("{} now", now.in_words()));
    let day = range
        .map(|(low, high)| format!("; {} to {} in the last 24 hours", words(low), words(high)))
        .unwrap_or_default();
    let ticks: String = (1..20).filter(|tick| tick % 5 != 0).map(|tick| format!("M{} 16v3", tick * 5)).collect();
    html! {
        svg.sc role="img" aria-labelledby=(id) {
            title id=(id) { (what) ": " (shown) ", of the " (limit.in_words()) " that the connection can carry" (day) }
            svg width="100%" height="22" viewBox="0 0 100 22" preserveAspectRatio="none" {
                @if let Some((low, high)) = range {
                    path.ar d=(format!("M{} 10H{}V16H{}z", number(percent(low)), number(percent(high).max(0.5)), number(percent(low)))) {}
                }
                path.ax fill="none" d=(format!("M0 10V20M25 16v4M50 10V20M75 16v4M100 10V20{ticks}M0 16H100")) {}
            }
            @if let Some(now) = now {
                svg x=(format!("{}%", number(percent(now.watts())))) overflow="visible" { path.nd d="M-5 0H5L0 9zM-.75 8V16H.75V8z" {} }
            }
            text x="0" y="32" { "0" }
            text x="100%" y="32" text-anchor="end" { (whole(limit)) }
        }
    }
}

/// `17 kW`: the end of a gauge needs no decimals unless they say something.
fn whole(limit: Milliwatts) -> String {
    let kilowatts = limit.watts() / 1e3;
    match kilowatts {
        small if small < 10.0 => limit.in_words(),
        _ => format!("{kilowatts:.0} kW"),
    }
}
