//! Reads what the verifier has to know of a certificate that the library does not read, or does not tell.

use std::time::Duration;

/// The parts of an X.509 certificate, as they stand in it.
#[derive(Debug)]
pub struct Certificate<'a> {
    /// Of the first version, which knows no extensions.
    pub first_version: bool,
    pub issuer: &'a [u8],
    pub subject: &'a [u8],
    /// Since 1970.
    pub not_before: Duration,
    pub not_after: Duration,
    /// The public key with its algorithm, as a structure of its own.
    pub key: &'a [u8],
    extensions: Vec<Extension<'a>>,
}

#[derive(Debug)]
struct Extension<'a> {
    id: &'a [u8],
    value: &'a [u8],
}

impl<'a> Certificate<'a> {
    /// `None` for whatever is not a certificate in DER, to the last byte.
    pub fn read(der: &'a [u8]) -> Option<Self> {
        let mut outside = Reader(der);
        let mut signed = Reader(outside.take(SEQUENCE)?);
        outside.end()?;
        let mut fields = Reader(signed.take(SEQUENCE)?);
        signed.take(SEQUENCE)?;
        signed.take(BIT_STRING)?;
        signed.end()?;

        let version = fields.take_if(VERSION)?;
        let first_version = match version {
            None => true,
            Some([INTEGER, 1, 2]) => false,
            Some(_) => return None,
        };
        fields.take(INTEGER)?;
        fields.take(SEQUENCE)?;
        let issuer = fields.take(SEQUENCE)?;
        let mut validity = Reader(fields.take(SEQUENCE)?);
        let (not_before, not_after) = (validity.time()?, validity.time()?);
        validity.end()?;
        let subject = fields.take(SEQUENCE)?;
        let key = fields.element()?;
        if key.tag != SEQUENCE {
            return None;
        }
        fields.take_if(ISSUER_ID)?;
        fields.take_if(SUBJECT_ID)?;
        let extensions = match fields.take_if(EXTENSIONS)? {
            Some(_) if first_version => return None,
            Some(content) => read_extensions(content)?,
            None => Vec::new(),
        };
        fields.end()?;
        Some(Certificate {
            first_version,
            issuer,
            subject,
            not_before,
            not_after,
            key: key.whole,
            extensions,
        })
    }

    /// Whether it names itself as the one who has signed it.
    pub fn is_self_issued(&self) -> bool {
        self.issuer == self.subject
    }

    /// Whether it has any alternative names: then the name in its subject counts for nothing.
    pub fn has_alternative_names(&self) -> bool {
        self.extension(ALTERNATIVE_NAMES).is_some()
    }

    pub fn has_name_constraints(&self) -> bool {
        self.extension(NAME_CONSTRAINTS).is_some()
    }

    /// Whether a server may show it: what its key is for is not said, or this is among it.
    pub fn is_for_servers(&self) -> bool {
        let usage = match self.extension(KEY_USAGE) {
            None => true,
            Some(value) => is_usage_of_servers(value).unwrap_or(false),
        };
        let purpose = match self.extension(EXTENDED_KEY_USAGE) {
            None => true,
            Some(value) => lists_servers(value).unwrap_or(false),
        };
        usage && purpose
    }

    /// The common name of the subject, where there is exactly one, in ASCII.
    pub fn common_name(&self) -> Option<&'a str> {
        let mut found = None;
        let mut sets = Reader(self.subject);
        while !sets.is_empty() {
            let mut set = Reader(sets.take(SET)?);
            while !set.is_empty() {
                let mut pair = Reader(set.take(SEQUENCE)?);
                let id = pair.take(OBJECT_ID)?;
                let value = pair.element()?;
                pair.end()?;
                if id != COMMON_NAME {
                    continue;
                }
                if found.is_some() || !TEXTS.contains(&value.tag) || !value.content.is_ascii() {
                    return None;
                }
                found = Some(str::from_utf8(value.content).ok()?);
            }
        }
        found
    }

    /// How many bits an RSA key has; `None` for another key.
    pub fn rsa_bits(&self) -> Option<usize> {
        let mut key = Reader(Reader(self.key).take(SEQUENCE)?);
        let algorithm = Reader(key.take(SEQUENCE)?).take(OBJECT_ID)?;
        if algorithm != RSA {
            return None;
        }
        let bits = key.take(BIT_STRING)?.strip_prefix(&[0])?;
        let modulus = Reader(Reader(bits).take(SEQUENCE)?).take(INTEGER)?;
        let first = modulus.iter().position(|byte| *byte != 0)?;
        let unused = modulus[first].leading_zeros() as usize;
        Some((modulus.len() - first) * 8 - unused)
    }

    fn extension(&self, id: &[u8]) -> Option<&'a [u8]> {
        let found = self.extensions.iter().find(|extension| extension.id == id);
        found.map(|extension| extension.value)
    }
}

/// Each at most once.
fn read_extensions(content: &[u8]) -> Option<Vec<Extension<'_>>> {
    let mut outside = Reader(content);
    let mut list = Reader(outside.take(SEQUENCE)?);
    outside.end()?;
    let mut extensions: Vec<Extension<'_>> = Vec::new();
    while !list.is_empty() {
        let mut fields = Reader(list.take(SEQUENCE)?);
        let id = fields.take(OBJECT_ID)?;
        // Whether it is critical: webpki knows all that may be.
        fields.take_if(BOOLEAN)?;
        let value = fields.take(OCTET_STRING)?;
        fields.end()?;
        if extensions.iter().any(|other| other.id == id) {
            return None;
        }
        extensions.push(Extension { id, value });
    }
    Some(extensions)
}

/// For signatures, or to agree on a key: as OpenSSL has it.
fn is_usage_of_servers(value: &[u8]) -> Option<bool> {
    let mut outside = Reader(value);
    let [_, bits, ..] = outside.take(BIT_STRING)? else {
        return Some(false);
    };
    outside.end()?;
    Some(bits & (DIGITAL_SIGNATURE | KEY_ENCIPHERMENT | KEY_AGREEMENT) != 0)
}

fn lists_servers(value: &[u8]) -> Option<bool> {
    let mut outside = Reader(value);
    let mut list = Reader(outside.take(SEQUENCE)?);
    outside.end()?;
    let mut found = false;
    while !list.is_empty() {
        found |= list.take(OBJECT_ID)? == SERVER_AUTHENTICATION;
    }
    Some(found)
}

/// What is left of the content of an element.
struct Reader<'a>(&'a [u8]);

struct Element<'a> {
    tag: u8,
    content: &'a [u8],
    /// With its tag and its length.
    whole: &'a [u8],
}

impl<'a> Reader<'a> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn end(&self) -> Option<()> {
        self.is_empty().then_some(())
    }

    /// The next element. Its length is written as short as can be, in at most three bytes.
    fn element(&mut self) -> Option<Element<'a>> {
        let all = self.0;
        let (&tag, rest) = all.split_first()?;
        if tag & MORE_TAG == MORE_TAG {
            return None;
        }
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81..=0x83 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(first - 0x80))?;
                let length = bytes
                    .iter()
                    .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
                let shorter = bytes[0] == 0 || length < 0x80;
                (Some(length).filter(|_| !shorter)?, rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some(Element {
            tag,
            content,
            whole: &all[..all.len() - rest.len()],
        })
    }

    /// The content of the next element, which has this tag.
    fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.element()
            .filter(|element| element.tag == tag)
            .map(|element| element.content)
    }

    /// The same, where the next element has this tag; `None` alone is an error.
    fn take_if(&mut self, tag: u8) -> Option<Option<&'a [u8]>> {
        match self.0.first() {
            Some(next) if *next == tag => self.take(tag).map(Some),
            _ => Some(None),
        }
    }

    /// A date, as the time since 1970; what was before counts as then.
    fn time(&mut self) -> Option<Duration> {
        let element = self.element()?;
        let (year, rest) = match element.tag {
            UTC_TIME => {
                let (year, rest) = number(element.content, 2)?;
                (year + if year < 50 { 2000 } else { 1900 }, rest)
            }
            GENERALIZED_TIME => number(element.content, 4)?,
            _ => return None,
        };
        let (month, rest) = number(rest, 2)?;
        let (day, rest) = number(rest, 2)?;
        let (hour, rest) = number(rest, 2)?;
        let (minute, rest) = number(rest, 2)?;
        let (second, rest) = number(rest, 2)?;
        let in_range = (1..=12).contains(&month) && (1..=31).contains(&day);
        if rest != b"Z" || !in_range || hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let days = u64::try_from(days_since_1970(year, month, day)).unwrap_or_default();
        let seconds = ((days * 24 + hour) * 60 + minute) * 60 + second;
        Some(Duration::from_secs(seconds))
    }
}

/// A number of so many digits, and what is behind it.
fn number(text: &[u8], digits: usize) -> Option<(u64, &[u8])> {
    let (number, rest) = text.split_at_checked(digits)?;
    let mut value = 0;
    for digit in number {
        if !digit.is_ascii_digit() {
            return None;
        }
        value = value * 10 + u64::from(digit - b'0');
    }
    Some((value, rest))
}

/// In the Gregorian calendar: the years begin with March, so that a leap day is their last.
fn days_since_1970(year: u64, month: u64, day: u64) -> i64 {
    let (year, month) = match month {
        3.. => (year, month - 3),
        _ => (year.saturating_sub(1), month + 9),
    };
    let days_of_months = (153 * month + 2) / 5 + day - 1;
    let days = year * 365 + year / 4 - year / 100 + year / 400 + days_of_months;
    days as i64 - 719_468
}

const BOOLEAN: u8 = 0x01;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OBJECT_ID: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
/// UTF-8, PrintableString and IA5String.
const TEXTS: [u8; 3] = [0x0c, 0x13, 0x16];
/// The tag goes on in the next byte.
const MORE_TAG: u8 = 0x1f;

const VERSION: u8 = 0xa0;
const ISSUER_ID: u8 = 0x81;
const SUBJECT_ID: u8 = 0x82;
const EXTENSIONS: u8 = 0xa3;

const COMMON_NAME: &[u8] = &[0x55, 4, 3];
const KEY_USAGE: &[u8] = &[0x55, 0x1d, 15];
const ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1d, 17];
const NAME_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 30];
const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 37];
const SERVER_AUTHENTICATION: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 1];
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];

const DIGITAL_SIGNATURE: u8 = 0x80;
const KEY_ENCIPHERMENT: u8 = 0x20;
const KEY_AGREEMENT: u8 = 0x08;

#[cfg(test)]
mod tests;
