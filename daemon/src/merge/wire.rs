//! What goes over the worker's pipe: one request in, one answer out, each a few fields behind their lengths.

use std::io::{self, Read, Write};

use super::{ANSWER_MAX_BYTES, DOCUMENT_MAX_BYTES};

/// What a worker is asked to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// This node's document; empty if it has none yet.
    pub own: Vec<u8>,
    /// The sibling's.
    pub sibling: Vec<u8>,
    /// The actor of a change that the merge may have to make.
    pub actor: [u8; 16],
    /// Its time, in seconds since 1970-01-01 UTC.
    pub now_s: u64,
}

/// What became of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// The merged document.
    pub document: Vec<u8>,
    /// What it says, as JSON on the wire.
    pub value: Vec<u8>,
    /// Its heads, sorted.
    pub heads: Vec<[u8; 32]>,
    /// Whether the sibling's document held changes that this node's did not.
    pub gained: bool,
    /// Ids of the entities that came back: changed on one side, removed on the other.
    pub kept: Vec<String>,
}

impl Request {
    /// Writes the request.
    ///
    /// # Errors
    /// What the system said.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        put(out, &self.own)?;
        put(out, &self.sibling)?;
        out.write_all(&self.actor)?;
        out.write_all(&self.now_s.to_be_bytes())
    }

    /// Reads a request.
    ///
    /// # Errors
    /// What the system said; `InvalidData` for a field over its limit.
    pub fn read(input: &mut impl Read) -> io::Result<Self> {
        let own = take(input, DOCUMENT_MAX_BYTES)?;
        let sibling = take(input, DOCUMENT_MAX_BYTES)?;
        let mut actor = [0; 16];
        input.read_exact(&mut actor)?;
        Ok(Self {
            own,
            sibling,
            actor,
            now_s: take_number(input)?,
        })
    }
}

impl Answer {
    /// Writes the answer.
    ///
    /// # Errors
    /// What the system said.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        put(out, &self.document)?;
        put(out, &self.value)?;
        put(out, &self.heads.concat())?;
        put(out, &[u8::from(self.gained)])?;
        put(out, self.kept.join("\n").as_bytes())
    }

    /// Reads an answer, which must be all there is, and in the form in which it is written.
    ///
    /// # Errors
    /// `InvalidData`: the worker was made to talk nonsense.
    pub fn read(mut input: &[u8]) -> io::Result<Self> {
        let document = take(&mut input, ANSWER_MAX_BYTES)?;
        let value = take(&mut input, ANSWER_MAX_BYTES)?;
        let heads = take(&mut input, ANSWER_MAX_BYTES)?;
        let gained = take(&mut input, 1)?;
        let kept = take(&mut input, ANSWER_MAX_BYTES)?;
        let kept = String::from_utf8(kept).map_err(|_| nonsense())?;
        let kept: Vec<String> = match kept.is_empty() {
            true => Vec::new(),
            false => kept.split('\n').map(str::to_owned).collect(),
        };
        let gained = match gained.as_slice() {
            [0] => false,
            [1] => true,
            _ => return Err(nonsense()),
        };
        let heads = heads.as_chunks::<32>();
        if !input.is_empty() || !heads.1.is_empty() || kept.iter().any(String::is_empty) {
            return Err(nonsense());
        }
        Ok(Self {
            document,
            value,
            heads: heads.0.to_vec(),
            gained,
            kept,
        })
    }
}

fn nonsense() -> io::Error {
    io::Error::from(io::ErrorKind::InvalidData)
}

fn put(out: &mut impl Write, field: &[u8]) -> io::Result<()> {
    out.write_all(&(field.len() as u64).to_be_bytes())?;
    out.write_all(field)
}

fn take_number(input: &mut impl Read) -> io::Result<u64> {
    let mut number = [0; 8];
    input.read_exact(&mut number)?;
    Ok(u64::from_be_bytes(number))
}

fn take(input: &mut impl Read, max_bytes: usize) -> io::Result<Vec<u8>> {
    let length = take_number(input)?;
    if length > max_bytes as u64 {
        return Err(nonsense());
    }
    let mut field = Vec::new();
    input.take(length).read_to_end(&mut field)?;
    match field.len() as u64 == length {
        true => Ok(field),
        false => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn both_come_back(
            own: Vec<u8>, sibling: Vec<u8>, actor: [u8; 16], now_s: u64, gained: bool,
            heads in prop::collection::vec(any::<[u8; 32]>(), 0..4),
            kept in prop::collection::vec("[a-z0-9-]{1,12}", 0..3), junk in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let request = Request { own: own.clone(), sibling, actor, now_s };
            let mut bytes = Vec::new();
            request.write(&mut bytes).unwrap();
            prop_assert_eq!(Request::read(&mut bytes.as_slice()).unwrap(), request);
            let answer = Answer { document: own.clone(), value: own, heads, gained, kept };
            let mut bytes = Vec::new();
            answer.write(&mut bytes).unwrap();
            prop_assert_eq!(Answer::read(&bytes).unwrap(), answer);
            prop_assert!(Answer::read(&bytes[..bytes.len() - 1]).is_err());
            bytes.push(0);
            prop_assert!(Answer::read(&bytes).is_err());
            // Nonsense is refused or read, and never asked for more memory than it has bytes.
            Answer::read(&junk).ok();
            Request::read(&mut junk.as_slice()).ok();
        }
    }

    #[test]
    fn an_answer_has_one_form() {
        let answer = Answer {
            gained: true,
            kept: vec!["a".into(), "b".into()],
            ..Answer::default()
        };
        let mut bytes = Vec::new();
        answer.write(&mut bytes).unwrap();
        assert_eq!(Answer::read(&bytes).unwrap(), answer);
        for (wrong, with) in [("a\nb", "a\n\n"), ("a\nb", "\nab"), ("\u{1}", "\u{2}")] {
            let at = bytes
                .windows(wrong.len())
                .rposition(|it| it == wrong.as_bytes());
            let at = at.unwrap();
            let mut other = bytes.clone();
            other.splice(at..at + wrong.len(), with.bytes());
            assert!(Answer::read(&other).is_err(), "{with:?}");
        }
    }

    #[test]
    fn a_document_over_the_limit_is_refused_before_it_is_read() {
        let mut bytes = ((DOCUMENT_MAX_BYTES + 1) as u64).to_be_bytes().to_vec();
        bytes.extend([0; 64]);
        let refused = Request::read(&mut bytes.as_slice()).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidData);
        let mut bytes = ((ANSWER_MAX_BYTES + 1) as u64).to_be_bytes().to_vec();
        bytes.extend([0; 64]);
        assert!(Answer::read(&bytes).is_err());
    }
}
