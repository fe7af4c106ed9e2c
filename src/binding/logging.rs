//! Hands what happened to the caller's logger.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, Once, PoisonError};

use napi::{Env, UnknownRef};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::{LookupSpan, Registry};

use super::environment::{Channel, Delivery, Environment};
use super::error::{PrimaryLeaseError, Result};
use super::js::{self, Kind, Value};

/// One log line on its way to JavaScript.
pub struct Line {
    level: Level,
    message: String,
    fields: Vec<(String, Given)>,
}

/// Where the lines of an environment go.
pub enum Logger {
    /// Warnings and errors to `console`.
    Console,
    Custom(UnknownRef<false>),
    Silent,
}

const METHODS: [&str; 4] = ["debug", "info", "warn", "error"];

impl Logger {
    pub fn read(env: &Env, logger: Value) -> Result<Logger> {
        let refuse = |got: &str| {
            Err(PrimaryLeaseError::invalid(format!(
                "logger must have the methods {}, or be null, got {got}",
                METHODS.join(", ")
            )))
        };
        match js::kind(logger)? {
            Kind::Nothing if matches!(logger.get_type(), Ok(napi::ValueType::Null)) => {
                Ok(Logger::Silent)
            }
            Kind::Object(_) | Kind::Function => {
                for method in METHODS {
                    if !js::is_function(js::get(env, logger, method)?) {
                        return refuse(&format!("one without {method}"));
                    }
                }
                Ok(Logger::Custom(js::read(logger)?))
            }
            _ => refuse(js::describe(logger)),
        }
    }

    fn loudest(&self) -> Option<Level> {
        match self {
            Logger::Console => Some(Level::WARN),
            Logger::Custom(_) => Some(Level::DEBUG),
            Logger::Silent => None,
        }
    }
}

/// Which environments want lines, by their ids: the way there, and the least severe level.
static SINKS: Mutex<BTreeMap<u64, (Channel, Option<Level>)>> = Mutex::new(BTreeMap::new());

/// Begins to forward lines to an environment.
pub fn attach(environment: &Environment) {
    static SUBSCRIBER: Once = Once::new();
    SUBSCRIBER.call_once(|| {
        // It is ours alone: this library has its own copy of `tracing`.
        let subscriber = Registry::default().with(Forwarder);
        let _ = tracing::subscriber::set_global_default(subscriber);
    });
    let loudest = environment.logger.borrow().loudest();
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

/// Changes the logger of an environment.
pub fn set(env: &Env, environment: &Environment, logger: Logger) {
    if let Logger::Custom(previous) = environment.logger.replace(logger) {
        // Nothing to be done about a reference that cannot be given back.
        let _ = previous.unref(env);
    }
    attach(environment);
}

/// Writes a line that has come to its environment. A logger that throws harms nobody.
pub fn write(env: &Env, environment: &Environment, line: Line) {
    let logger = environment.logger.borrow();
    let target = match &*logger {
        Logger::Console => js::global(env, "console"),
        Logger::Custom(logger) => logger
            .get_value(env)
            .map(|logger| js::value(&logger))
            .map_err(js::Thrown::from),
        Logger::Silent => return,
    };
    drop(logger);
    let method = match line.level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        _ => "debug",
    };
    // There is nowhere left to report it.
    let _ = target.and_then(|target| {
        let mut fields = js::object(env)?;
        for (name, given) in line.fields {
            match given {
                Given::Text(text) => js::set(&mut fields, &name, Some(text))?,
                Given::Number(number) => js::set(&mut fields, &name, Some(number))?,
                Given::Bool(boolean) => js::set(&mut fields, &name, Some(boolean))?,
            }
        }
        let message = js::make(env, format!("primary-lease: {}", line.message))?;
        js::invoke(env, target, method, &[message, js::value(&fields)])
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
            channel.send(Delivery::Line(Line {
                level,
                message: collected.message,
                fields: collected.fields,
            }));
        }
    }
}

#[derive(Clone)]
enum Given {
    Text(String),
    Number(f64),
    Bool(bool),
}

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
            _ => self.add(field, Given::Text(format!("{value:?}"))),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.message = value.into(),
            _ => self.add(field, Given::Text(value.into())),
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        match field.name() {
            "environment" => self.environment = Some(value),
            _ => self.add(field, Given::Number(value as f64)),
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, Given::Number(value as f64));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, Given::Number(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, Given::Bool(value));
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
