//! The form of spans on the wire: `ExportTraceServiceRequest` of OTLP 1, in Protocol Buffers.
//!
//! The numbers are those of `opentelemetry/proto/trace/v1/trace.proto`,
//! `…/common/v1/common.proto` and `…/resource/v1/resource.proto`.

use super::context::Parent;

/// A span that ended.
#[derive(Clone, Debug)]
pub(super) struct Span {
    pub(super) trace: u128,
    pub(super) id: u64,
    /// The span above it, in the same trace.
    pub(super) parent: Option<u64>,
    pub(super) name: String,
    pub(super) kind: Kind,
    /// Unix nanoseconds.
    pub(super) began_at: u64,
    pub(super) ended_at: u64,
    pub(super) attributes: Vec<(&'static str, Value)>,
    /// A span of another trace that led to this one.
    pub(super) link: Option<Parent>,
    pub(super) has_failed: bool,
}

/// The side of a request that a span shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    #[default]
    Internal = 1,
    Server = 2,
    Client = 3,
}

/// The value of an attribute.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Text(String),
    Number(i64),
    Switch(bool),
}

/// `Status.code` of a span that failed.
const STATUS_ERROR: u64 = 2;

/// Writes the request that sends spans, all of this service.
pub(super) fn request(version: &str, spans: &[Span]) -> Vec<u8> {
    let mut resource = Message::default();
    for (name, value) in [("service.name", "transire"), ("service.version", version)] {
        resource.message(1, &attribute(name, &Value::Text(value.to_owned())));
    }
    let mut scope = Message::default();
    scope.bytes(1, b"transire");
    let mut of_scope = Message::default();
    of_scope.message(1, &scope);
    for span in spans {
        of_scope.message(2, &encoded(span));
    }
    let mut of_resource = Message::default();
    of_resource.message(1, &resource);
    of_resource.message(2, &of_scope);
    let mut request = Message::default();
    request.message(1, &of_resource);
    request.0
}

fn encoded(span: &Span) -> Message {
    let mut message = Message::default();
    message.bytes(1, &span.trace.to_be_bytes());
    message.bytes(2, &span.id.to_be_bytes());
    if let Some(parent) = span.parent {
        message.bytes(4, &parent.to_be_bytes());
    }
    message.bytes(5, span.name.as_bytes());
    message.number(6, span.kind as u64);
    message.fixed64(7, span.began_at);
    message.fixed64(8, span.ended_at);
    for (name, value) in &span.attributes {
        message.message(9, &attribute(name, value));
    }
    if let Some(linked) = span.link {
        let mut link = Message::default();
        link.bytes(1, &linked.trace.to_be_bytes());
        link.bytes(2, &linked.span.to_be_bytes());
        message.message(13, &link);
    }
    if span.has_failed {
        let mut status = Message::default();
        status.number(3, STATUS_ERROR);
        message.message(15, &status);
    }
    message
}

fn attribute(name: &str, value: &Value) -> Message {
    let mut any = Message::default();
    match value {
        Value::Text(text) => any.bytes(1, text.as_bytes()),
        Value::Switch(is_on) => any.number(2, u64::from(*is_on)),
        // Two's complement, as int64 is.
        Value::Number(number) => any.number(3, *number as u64),
    }
    let mut attribute = Message::default();
    attribute.bytes(1, name.as_bytes());
    attribute.message(2, &any);
    attribute
}

/// A message of Protocol Buffers while it is written (protobuf.dev/programming-guides/encoding).
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    const VARINT: u64 = 0;
    const FIXED64: u64 = 1;
    const BYTES: u64 = 2;

    fn varint(&mut self, mut number: u64) {
        while number > 0x7f {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    fn number(&mut self, field: u64, number: u64) {
        self.varint(field << 3 | Self::VARINT);
        self.varint(number);
    }

    fn fixed64(&mut self, field: u64, number: u64) {
        self.varint(field << 3 | Self::FIXED64);
        self.0.extend(number.to_le_bytes());
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.varint(field << 3 | Self::BYTES);
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
    }

    fn message(&mut self, field: u64, message: &Self) {
        self.bytes(field, &message.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_take_as_many_bytes_as_they_need() {
        let mut message = Message::default();
        for number in [0, 127, 128, 300, u64::MAX] {
            message.varint(number);
        }
        let expected = "007f8001ac02ffffffffffffffffff01";
        assert_eq!(hex::encode(message.0), expected);
    }
}
