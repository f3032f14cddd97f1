//! The deterministic CBOR of everything that is signed or sent.
//!
//! Structures are definite-length arrays with integers in their shortest form (RFC 8949, section
//! 4.2.1). A decoder here accepts that one encoding only: bytes that decode, but that we would have
//! written otherwise, are refused, so that one meaning has one hash.

use minicbor::{Decode, Decoder, Encode};

/// Bytes that are not the one encoding of what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CborError {
    /// Truncated, of other types, or with values out of range.
    #[error("not the expected structure")]
    Malformed,
    /// It decodes, but is not written in the one deterministic form.
    #[error("not in deterministic form")]
    NotDeterministic,
    /// A list announces more entries than it may have; none of them was decoded.
    #[error("a list is longer than it may be")]
    TooMany,
}

/// Encodes a value; encoding into memory cannot fail.
pub fn to_vec<T: Encode<()>>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    match minicbor::encode(value, &mut bytes) {
        Ok(()) => bytes,
        // `Vec<u8>` never refuses a write, and our types have no failing encoders.
        Err(_) => Vec::new(),
    }
}

/// Decodes one value that fills `bytes` and is in deterministic form.
pub fn from_slice<'b, T: Decode<'b, ()> + Encode<()>>(bytes: &'b [u8]) -> Result<T, CborError> {
    let value: T = decode(bytes)?.0;
    if to_vec(&value) != bytes {
        return Err(CborError::NotDeterministic);
    }
    Ok(value)
}

/// Decodes one value that fills `bytes`, which this node has written itself and kept: whether they are in deterministic
/// form is not asked once more, for that takes as long as all else. Anything from elsewhere goes through [`from_slice`].
///
/// # Errors
/// [`CborError::Malformed`], [`CborError::TooMany`].
pub fn from_kept<'b, T: Decode<'b, ()>>(bytes: &'b [u8]) -> Result<T, CborError> {
    match decode(bytes)? {
        (value, read) if read == bytes.len() => Ok(value),
        _ => Err(CborError::Malformed),
    }
}

/// A value, and how many bytes it takes.
fn decode<'b, T: Decode<'b, ()>>(bytes: &'b [u8]) -> Result<(T, usize), CborError> {
    let mut decoder = Decoder::new(bytes);
    let value: T = decoder.decode().map_err(|error| match error.is_custom() {
        true => CborError::TooMany,
        false => CborError::Malformed,
    })?;
    Ok((value, decoder.position()))
}

/// Why [`at_most`] decodes no further; the only error of ours that minicbor carries as such.
#[derive(Debug, thiserror::Error)]
#[error("a list is longer than it may be")]
struct TooMany;

/// Decodes a list of at most `MAX` entries. The number that it announces is checked before any entry is
/// decoded, for many tiny entries take many times their size; a list that announces none is no list of ours.
pub(crate) fn at_most<'b, const MAX: usize, T: Decode<'b, C>, C>(
    d: &mut Decoder<'b>,
    ctx: &mut C,
) -> Result<Vec<T>, minicbor::decode::Error> {
    let announced = d
        .array()?
        .ok_or_else(|| minicbor::decode::Error::message("a list without its length"))?;
    if announced > MAX as u64 {
        return Err(minicbor::decode::Error::custom(TooMany));
    }
    (0..announced).map(|_| T::decode(d, ctx)).collect()
}

/// Decodes a byte string of exactly `N` bytes.
pub(crate) fn decode_array<const N: usize>(
    d: &mut Decoder<'_>,
) -> Result<[u8; N], minicbor::decode::Error> {
    d.bytes()?
        .try_into()
        .map_err(|_| minicbor::decode::Error::message("byte string of another length"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Encode, Decode)]
    #[cbor(array)]
    struct Pair {
        #[n(0)]
        a: u64,
        #[n(1)]
        b: Option<u64>,
    }

    #[derive(Debug, PartialEq, Encode, Decode)]
    #[cbor(array)]
    struct Few(#[cbor(n(0), decode_with = "at_most::<3, _, _>")] Vec<u8>);

    #[test]
    fn a_list_has_so_many_entries_and_says_how_many() {
        let three = to_vec(&Few(vec![1, 2, 3]));
        assert_eq!(from_slice::<Few>(&three), Ok(Few(vec![1, 2, 3])));
        let four = to_vec(&Few(vec![1, 2, 3, 4]));
        assert_eq!(from_slice::<Few>(&four), Err(CborError::TooMany));
        // No entry is looked at: there are none.
        let million = [0x81, 0x9a, 0, 0x0f, 0x42, 0x40];
        assert_eq!(from_slice::<Few>(&million), Err(CborError::TooMany));
        let endless = [0x81, 0x9f, 1, 0xff];
        assert_eq!(from_slice::<Few>(&endless), Err(CborError::Malformed));
    }

    #[test]
    fn what_was_kept_is_read_whole_or_not_at_all() {
        let kept = to_vec(&Pair { a: 1, b: Some(2) });
        assert_eq!(from_kept::<Pair>(&kept), Ok(Pair { a: 1, b: Some(2) }));
        let cut = kept.split_last().map(|(_, rest)| rest).unwrap_or_default();
        let longer = [kept.as_slice(), &[0]].concat();
        for bad in [cut, &longer, &[]] {
            assert_eq!(
                from_kept::<Pair>(bad),
                Err(CborError::Malformed),
                "{bad:x?}"
            );
        }
        // Another way to write 1.
        assert!(from_kept::<Pair>(&[0x82, 0x18, 1, 2]).is_ok());
    }

    #[test]
    fn only_the_shortest_form_is_accepted() {
        let good = to_vec(&Pair { a: 1, b: Some(2) });
        assert_eq!(good, [0x82, 1, 2]);
        assert_eq!(from_slice::<Pair>(&good), Ok(Pair { a: 1, b: Some(2) }));
        for bad in [
            &[0x82, 0x18, 1, 2][..],
            &[0x83, 1, 2, 3],
            &[0x82, 1, 2, 0],
            &[0x9f, 1, 2, 0xff],
        ] {
            assert_eq!(
                from_slice::<Pair>(bad),
                Err(CborError::NotDeterministic),
                "{bad:x?}"
            );
        }
        assert_eq!(from_slice::<Pair>(&[0x82, 1]), Err(CborError::Malformed));
    }
}
