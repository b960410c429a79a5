//! The log in the systemd journal. `tracing-journald` sends each event in the thread that logs it, and a journal that hangs would block
//! that thread. So events wait in a queue, and a thread passes them on.
//!
//! The fields of an event are also put into its message: `journalctl` prints the message only, and a field may name the meter.

use std::io::{self, Write};

use tracing::field::{Field, Value, Visit};
use tracing::{Dispatch, Event, Metadata, Subscriber};
use tracing_subscriber::Registry;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use crate::writer_thread::WriterThread;

/// The events that wait for the thread.
pub(super) struct QueuedEvents(pub(super) WriterThread<QueuedEvent>);

/// An event, with the text of each of its fields in their order.
pub(super) struct QueuedEvent {
    metadata: &'static Metadata<'static>,
    texts: Vec<Option<String>>,
}

/// Starts the thread that sends events to the journal.
pub(super) fn start() -> io::Result<WriterThread<QueuedEvent>> {
    let mut journal = None;
    let write = move |event: QueuedEvent| {
        // Even the question whether there is a journal may block.
        let journal = journal.get_or_insert_with(|| {
            let journal = tracing_journald::layer().ok()?;
            let journal = journal.with_field_prefix(None).with_syslog_identifier("arkmeter".to_owned());
            Some(Dispatch::new(Registry::default().with(journal)))
        });
        match journal {
            Some(journal) => event.pass_to(journal),
            None => event.write_to(&mut io::stderr())?,
        }
        Ok(())
    };
    WriterThread::start("log", super::DEPTH, write, super::drained)
}

impl<S: Subscriber> Layer<S> for QueuedEvents {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        self.0.put(QueuedEvent::new(event));
    }
}

impl QueuedEvent {
    fn new(event: &Event<'_>) -> Self {
        let metadata = event.metadata();
        let mut queued = QueuedEvent { metadata, texts: vec![None; metadata.fields().len()] };
        event.record(&mut queued);
        queued.append_to_message();
        queued
    }

    /// Appends ` field=value` for each field to the message; the fields themselves stay.
    fn append_to_message(&mut self) {
        let Some(message) = self.message() else { return };
        let fields = self.metadata.fields().iter().zip(&self.texts).filter(|(field, _)| field.index() != message);
        let appended: String =
            fields.filter_map(|(field, text)| Some(format!(" {field}={}", text.as_ref()?))).collect();
        if let Some(text) = &mut self.texts[message] {
            text.push_str(&appended);
        }
    }

    /// The index of the message.
    fn message(&self) -> Option<usize> {
        self.metadata.fields().iter().position(|field| field.name() == "message")
    }

    fn pass_to(&self, journal: &Dispatch) {
        let values: Vec<_> = self.texts.iter().map(|text| text.as_ref().map(|text| text as &dyn Value)).collect();
        journal.event(&Event::new(self.metadata, &self.metadata.fields().value_set_all(&values)));
    }

    /// For a service that cannot reach the journal's socket: systemd reads standard error.
    fn write_to(&self, stream: &mut impl Write) -> io::Result<()> {
        let message = self.message().and_then(|message| self.texts[message].as_deref());
        writeln!(stream, "{} {}", self.metadata.level(), message.unwrap_or_default())
    }
}

impl Visit for QueuedEvent {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if let Some(text) = self.texts.get_mut(field.index()) {
            *text = Some(format!("{value:?}"));
        }
    }
}

#[cfg(test)]
mod tests;
