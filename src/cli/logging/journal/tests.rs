use std::sync::{Arc, Mutex};

use tracing_subscriber::layer::SubscriberExt;

use super::*;

/// What the journal gets.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<(String, String)>>>);

/// Passes each event on at once, as the thread does.
struct AtOnce(Dispatch);

impl<S: Subscriber> Layer<S> for Seen {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        event.record(&mut self.clone());
    }
}

impl<S: Subscriber> Layer<S> for AtOnce {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        QueuedEvent::new(event).pass_to(&self.0);
    }
}

impl Visit for Seen {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.lock().unwrap().push((field.to_string(), format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.lock().unwrap().push((field.to_string(), value.to_owned()));
    }
}

fn seen(log: impl FnOnce()) -> Vec<(String, String)> {
    let seen = Seen::default();
    let journal = Dispatch::new(tracing_subscriber::registry().with(seen.clone()));
    tracing::subscriber::with_default(tracing_subscriber::registry().with(AtOnce(journal)), log);
    let seen = seen.0.lock().unwrap();
    seen.clone()
}

#[test]
fn the_message_contains_the_fields() {
    let pair = |field: &str, text: &str| (field.to_owned(), text.to_owned());
    let absent: Option<u8> = None;
    let fields = seen(|| tracing::info!(meter = %"floor_1", count = 3, absent, text = "a b", "does not answer"));
    assert!(fields.contains(&pair("message", "does not answer meter=floor_1 count=3 text=a b")), "{fields:?}");
    assert!(fields.contains(&pair("meter", "floor_1")), "{fields:?}");
    assert!(fields.contains(&pair("count", "3")), "{fields:?}");
    assert_eq!(seen(|| tracing::info!("nothing beside")), [pair("message", "nothing beside")]);
    assert_eq!(seen(|| tracing::info!(meter = %"alone")), [pair("meter", "alone")]);
}
