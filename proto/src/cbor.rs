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
    let mut decoder = Decoder::new(bytes);
    let value: T = decoder.decode().map_err(|_| CborError::Malformed)?;
    if to_vec(&value) != bytes {
        return Err(CborError::NotDeterministic);
    }
    Ok(value)
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
