//! Puts the fields of a log event into its message. `journalctl` prints the message only, and a field may name the meter.

use tracing::field::{Field, Value, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

/// Passes every event to `L` with ` field=value` for each field after its message; the fields themselves stay.
pub(super) struct FieldsInMessage<L>(pub(super) L);

impl<S: Subscriber, L: Layer<S>> Layer<S> for FieldsInMessage<L> {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        self.0.on_new_span(attributes, id, context);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        self.0.on_record(id, values, context);
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let fields = event.metadata().fields();
        let mut texts = FieldTexts(vec![None; fields.len()]);
        event.record(&mut texts);
        texts.append_to_message(fields);
        let values: Vec<_> = texts.0.iter().map(|text| text.as_ref().map(|text| text as &dyn Value)).collect();
        self.0.on_event(&Event::new(event.metadata(), &fields.value_set_all(&values)), context);
    }
}

/// The text of each field, in the order of the fields.
struct FieldTexts(Vec<Option<String>>);

impl FieldTexts {
    fn append_to_message(&mut self, fields: &tracing::field::FieldSet) {
        let Some(message) = fields.iter().position(|field| field.name() == "message") else { return };
        let others = fields.iter().zip(&self.0).filter(|(field, _)| field.name() != "message");
        let appended: String =
            others.filter_map(|(field, text)| Some(format!(" {field}={}", text.as_ref()?))).collect();
        if let Some(text) = &mut self.0[message] {
            text.push_str(&appended);
        }
    }
}

impl Visit for FieldTexts {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if let Some(text) = self.0.get_mut(field.index()) {
            *text = Some(format!("{value:?}"));
        }
    }
}

#[cfg(test)]
mod tests;
