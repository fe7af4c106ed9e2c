//! Hands what happened to the environment that it is about.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, Once, PoisonError};

use napi::bindgen_prelude::{Either, Either3};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::{LookupSpan, Registry};

use super::environment::{Channel, Environment};
use super::events::{EventKind, Events, Line};

/// Which environments want lines, by their ids: the way there, and the least severe level.
static SINKS: Mutex<BTreeMap<u64, (Channel, Option<Level>)>> = Mutex::new(BTreeMap::new());

/// Begins to forward lines to an environment: warnings and errors.
pub fn attach(environment: &Environment) {
    static SUBSCRIBER: Once = Once::new();
    SUBSCRIBER.call_once(|| {
        // It is ours alone: this library has its own copy of `tracing`.
        let subscriber = Registry::default().with(Forwarder);
        let _ = tracing::subscriber::set_global_default(subscriber);
    });
    set(environment, Some("warn"));
}

/// Changes the least severe level of an environment.
pub fn set(environment: &Environment, level: Option<&str>) {
    let loudest = level.and_then(|level| level.parse().ok());
    let sink = (environment.channel.clone(), loudest);
    SINKS
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .insert(environment.id, sink);
}

pub fn detach(id: u64) {
    SINKS
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .remove(&id);
}

fn send(channel: &Channel, level: Level, collected: Collected) {
    channel.send(move |env, environment| {
        let events = environment.feature::<Events>();
        if let Some(layer) = events.attachment(events.logged.get()) {
            let (names, values) = collected.fields.into_iter().unzip();
            let line = Line {
                level: level.as_str().to_ascii_lowercase(),
                message: collected.message,
                names,
                values,
            };
            layer.tell_extra(env, EventKind::Logged, 0, Either::B(line));
        }
    });
}

/// Forwards each event to the environment whose election's span it is in.
struct Forwarder;

/// What an election's span says of itself.
struct Origin(Collected);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Forwarder {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        metadata.target().starts_with("primary_lease") && *metadata.level() <= Level::DEBUG
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut collected = Collected::default();
            attributes.record(&mut collected);
            span.extensions_mut().insert(Origin(collected));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut collected = Collected::default();
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(Origin(origin)) = span.extensions().get::<Origin>() {
                collected.fields.extend(origin.fields.iter().cloned());
                collected.environment = collected.environment.or(origin.environment);
            }
        }
        event.record(&mut collected);
        let level = *event.metadata().level();
        let sinks = SINKS.lock().unwrap_or_else(PoisonError::into_inner);
        // A connection belongs to nobody in particular: its lines go to the eldest.
        let sink = match collected.environment {
            Some(id) => sinks.get(&id),
            None => sinks.values().next(),
        };
        if let Some((channel, Some(loudest))) = sink
            && level <= *loudest
        {
            send(channel, level, collected);
        }
    }
}

type Given = Either3<String, f64, bool>;

#[derive(Default)]
struct Collected {
    environment: Option<u64>,
    message: String,
    fields: Vec<(String, Given)>,
}

impl Collected {
    fn add(&mut self, field: &Field, given: Given) {
        self.fields.push((camel_case(field.name()), given));
    }
}

impl Visit for Collected {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            _ => self.add(field, Given::A(format!("{value:?}"))),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.message = value.into(),
            _ => self.add(field, Given::A(value.into())),
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        match field.name() {
            "environment" => self.environment = Some(value),
            _ => self.add(field, Given::B(value as f64)),
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, Given::B(value as f64));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, Given::B(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, Given::C(value));
    }
}

/// `server_id` is `serverId` to JavaScript.
fn camel_case(name: &str) -> String {
    let mut upper = false;
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '_' => upper = true,
            c if upper => {
                out.extend(c.to_uppercase());
                upper = false;
            }
            c => out.push(c),
        }
    }
    out
}
