//! Sealing: encryption in the age format (<https://age-encryption.org/v1>), to keys and to passphrases.
//!
//! A node's or an organisation's key serves for sealing as it is: see
//! [`sealing_recipient`](fingerpost_proto::keys::sealing_recipient). What is opened here may come from anybody, so the plaintext
//! is bounded while it is read, and the work that a passphrase may cost is bounded too. Errors say nothing of
//! keys or contents.

use std::io::{Read, Write};

use age::armor::{ArmoredReader, ArmoredWriter, Format};
use age::secrecy::SecretString;
use age::{DecryptError, Decryptor, Encryptor, scrypt, x25519};
use zeroize::Zeroizing;

/// How much work one try of a passphrase costs, as the power of two that scrypt calls N: 128 MiB of memory,
/// and about half a second.
const WORK_FACTOR: u8 = 17;
/// Most work that a file may ask for: what the age command itself asks for, 256 MiB of memory.
pub const WORK_FACTOR_MAX: u8 = 18;
/// Largest file protected with a passphrase that is read, in bytes. Ours have some 500.
pub const PASSPHRASE_FILE_MAX_BYTES: usize = 16 * 1024;

/// Why something could not be sealed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Nobody was named who could open it, or somebody whose key is none.
    #[error("it cannot be sealed: a key that it is for is damaged or missing")]
    BadRecipient,
    /// A secret key that is none.
    #[error("it cannot be opened: a secret key is damaged")]
    BadIdentity,
    /// It is sealed for others.
    #[error("it is sealed for somebody else")]
    NotForUs,
    /// The passphrase does not fit.
    #[error("the passphrase does not fit")]
    WrongPassphrase,
    /// It costs more work than is done for a file.
    #[error("the file asks for more work than this program does for a file")]
    ExcessiveWork,
    /// It is not in the age format, or changed since it was sealed.
    #[error("it is damaged, or was not sealed in the age format")]
    Damaged,
    /// The content is longer than it may be.
    #[error("what is sealed in it is longer than {0} bytes")]
    TooLong(usize),
    /// It could not be sealed for another reason.
    #[error("it could not be sealed")]
    Failed,
}

/// Seals bytes for everybody named, each by a recipient text (`age1…`). The answer is in the binary form.
///
/// # Errors
/// [`SealError::BadRecipient`] if nobody is named, or a text is no recipient.
pub fn seal(bytes: &[u8], recipients: &[String]) -> Result<Vec<u8>, SealError> {
    let recipients = recipients
        .iter()
        .map(|text| text.parse().map_err(|_| SealError::BadRecipient))
        .collect::<Result<Vec<x25519::Recipient>, _>>()?;
    let encryptor = Encryptor::with_recipients(recipients.iter().map(|it| it as _))
        .map_err(|_| SealError::BadRecipient)?;
    write_sealed(encryptor, bytes, Vec::new())
}

/// Opens what was sealed in the binary form for the holder of any of the identities
/// (`AGE-SECRET-KEY-1…`). At most `max_bytes` of plaintext are read.
///
/// # Errors
/// [`SealError`], but none that is about sealing or passphrases.
pub fn open(
    bytes: &[u8],
    identities: &[Zeroizing<String>],
    max_bytes: usize,
) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let identities = identities
        .iter()
        .map(|text| text.parse().map_err(|_| SealError::BadIdentity))
        .collect::<Result<Vec<x25519::Identity>, _>>()?;
    let decryptor = Decryptor::new_buffered(bytes).map_err(|_| SealError::Damaged)?;
    if decryptor.is_scrypt() {
        return Err(SealError::NotForUs);
    }
    let reader = decryptor
        .decrypt(identities.iter().map(|it| it as _))
        .map_err(|error| match error {
            DecryptError::NoMatchingKeys => SealError::NotForUs,
            _ => SealError::Damaged,
        })?;
    read_bounded(reader, max_bytes, bytes.len())
}

/// Protects bytes with a passphrase, as a file in ASCII armour that the age command reads too.
///
/// # Errors
/// [`SealError::Failed`].
pub fn seal_with_passphrase(
    bytes: &[u8],
    passphrase: Zeroizing<String>,
) -> Result<String, SealError> {
    let mut recipient = scrypt::Recipient::new(secret(passphrase));
    recipient.set_work_factor(WORK_FACTOR);
    let encryptor = Encryptor::with_recipients(std::iter::once(&recipient as _))
        .map_err(|_| SealError::Failed)?;
    let armour = ArmoredWriter::wrap_output(Vec::new(), Format::AsciiArmor)
        .map_err(|_| SealError::Failed)?;
    let file = write_sealed(encryptor, bytes, armour)?
        .finish()
        .map_err(|_| SealError::Failed)?;
    String::from_utf8(file).map_err(|_| SealError::Failed)
}

/// Opens a file that a passphrase protects, with ASCII armour around it or not. At most `max_bytes` of
/// plaintext are read, and at most [`WORK_FACTOR_MAX`] of work are done.
///
/// # Errors
/// [`SealError`], but none that is about sealing or keys.
pub fn open_with_passphrase(
    file: &[u8],
    passphrase: Zeroizing<String>,
    max_bytes: usize,
) -> Result<Zeroizing<Vec<u8>>, SealError> {
    if file.len() > PASSPHRASE_FILE_MAX_BYTES {
        return Err(SealError::Damaged);
    }
    open_large_with_passphrase(file, passphrase, max_bytes)
}

/// The same for a file whose size the caller has limited.
///
/// # Errors
/// As [`open_with_passphrase`].
pub fn open_large_with_passphrase(
    file: &[u8],
    passphrase: Zeroizing<String>,
    max_bytes: usize,
) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let decryptor =
        Decryptor::new_buffered(ArmoredReader::new(file)).map_err(|_| SealError::Damaged)?;
    if !decryptor.is_scrypt() {
        return Err(SealError::NotForUs);
    }
    let mut identity = scrypt::Identity::new(secret(passphrase));
    identity.set_max_work_factor(WORK_FACTOR_MAX);
    let reader =
        decryptor
            .decrypt(std::iter::once(&identity as _))
            .map_err(|error| match error {
                DecryptError::ExcessiveWork { .. } => SealError::ExcessiveWork,
                DecryptError::DecryptionFailed | DecryptError::KeyDecryptionFailed => {
                    SealError::WrongPassphrase
                }
                _ => SealError::Damaged,
            })?;
    read_bounded(reader, max_bytes, file.len())
}

fn secret(mut passphrase: Zeroizing<String>) -> SecretString {
    SecretString::from(std::mem::take(&mut *passphrase))
}

fn write_sealed<W: Write>(encryptor: Encryptor, bytes: &[u8], to: W) -> Result<W, SealError> {
    let mut writer = encryptor.wrap_output(to).map_err(|_| SealError::Failed)?;
    writer.write_all(bytes).map_err(|_| SealError::Failed)?;
    writer.finish().map_err(|_| SealError::Failed)
}

/// Reads a plaintext, never longer than what it was read from, into memory that is wiped.
fn read_bounded(
    reader: impl Read,
    max_bytes: usize,
    sealed_bytes: usize,
) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let most = max_bytes.saturating_add(1);
    // All of it at once: a vector that grows leaves pieces of the secret behind.
    let mut content = Zeroizing::new(Vec::with_capacity(most.min(sealed_bytes)));
    reader
        .take(most as u64)
        .read_to_end(&mut content)
        .map_err(|_| SealError::Damaged)?;
    match content.len() > max_bytes {
        true => Err(SealError::TooLong(max_bytes)),
        false => Ok(content),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fingerpost_proto::keys::{SecretKey, sealing_recipient};

    fn key(seed: u8) -> SecretKey {
        SecretKey::from_seed(&[seed; 32])
    }

    fn recipient(seed: u8) -> String {
        sealing_recipient(&key(seed).public()).unwrap()
    }

    #[test]
    fn what_is_sealed_to_a_public_key_opens_with_its_secret() {
        let sealed = seal(b"hello", &[recipient(1), recipient(2)]).unwrap();
        for seed in [1, 2] {
            let identities = [key(9).sealing_identity(), key(seed).sealing_identity()];
            assert_eq!(open(&sealed, &identities, 5).unwrap().as_slice(), b"hello");
        }
        assert_eq!(
            open(&sealed, &[key(3).sealing_identity()], 5),
            Err(SealError::NotForUs)
        );
    }

    #[test]
    fn the_content_is_bounded_while_it_is_read() {
        let sealed = seal(&[0; 200_000], &[recipient(1)]).unwrap();
        let identities = [key(1).sealing_identity()];
        assert_eq!(
            open(&sealed, &identities, 199_999),
            Err(SealError::TooLong(199_999))
        );
        assert_eq!(open(&sealed, &identities, 200_000).unwrap().len(), 200_000);
    }

    #[test]
    fn damage_is_found_wherever_it_is() {
        let sealed = seal(b"hello", &[recipient(1)]).unwrap();
        let identities = [key(1).sealing_identity()];
        for at in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            assert!(open(&damaged, &identities, 5).is_err(), "byte {at}");
            assert!(open(&sealed[..at], &identities, 5).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn texts_that_are_no_keys_are_refused() {
        assert_eq!(seal(b"hello", &[]), Err(SealError::BadRecipient));
        let bad = vec![recipient(1), "age1nobody".to_owned()];
        assert_eq!(seal(b"hello", &bad), Err(SealError::BadRecipient));
        let sealed = seal(b"hello", &[recipient(1)]).unwrap();
        let none = Zeroizing::new("AGE-SECRET-KEY-1NOBODY".to_owned());
        assert_eq!(open(&sealed, &[none], 5), Err(SealError::BadIdentity));
    }

    #[test]
    fn a_passphrase_opens_its_file_and_no_other_does() {
        let word = |text: &str| Zeroizing::new(text.to_owned());
        let file = seal_with_passphrase(b"hello", word("correct horse")).unwrap();
        assert!(file.starts_with("-----BEGIN AGE ENCRYPTED FILE-----\n"));
        let open = |file: &str, text| open_with_passphrase(file.as_bytes(), word(text), 5);
        assert_eq!(open(&file, "correct horse").unwrap().as_slice(), b"hello");
        assert_eq!(open(&file, "battery"), Err(SealError::WrongPassphrase));
        let cut = &file[..file.len() / 2];
        assert_eq!(open(cut, "correct horse"), Err(SealError::Damaged));
        let long = " ".repeat(PASSPHRASE_FILE_MAX_BYTES + 1);
        assert_eq!(open(&long, "correct horse"), Err(SealError::Damaged));
    }

    #[test]
    fn a_file_that_asks_for_too_much_work_is_refused() {
        // Written as a header by hand: making such a file would cost the work.
        let stanza = |work: u8| {
            format!(
                "age-encryption.org/v1\n-> scrypt AAAAAAAAAAAAAAAAAAAAAA {work}\n{}\n--- {}\n{}",
                "A".repeat(43),
                "A".repeat(43),
                "B".repeat(64)
            )
        };
        let open = |work| {
            let word = Zeroizing::new("any".to_owned());
            open_with_passphrase(stanza(work).as_bytes(), word, 5)
        };
        assert_eq!(open(WORK_FACTOR_MAX + 1), Err(SealError::ExcessiveWork));
        assert_eq!(open(10), Err(SealError::WrongPassphrase));
    }

    #[test]
    fn the_two_kinds_are_not_mistaken_for_each_other() {
        let word = Zeroizing::new("any".to_owned());
        let sealed = seal(b"hello", &[recipient(1)]).unwrap();
        assert_eq!(
            open_with_passphrase(&sealed, word.clone(), 5),
            Err(SealError::NotForUs)
        );
        let file = seal_with_passphrase(b"hello", word).unwrap();
        // In armour it is not even of the binary form.
        assert_eq!(
            open(file.as_bytes(), &[key(1).sealing_identity()], 5),
            Err(SealError::Damaged)
        );
    }
}
