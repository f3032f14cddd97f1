//! Root keys on paper and in files: 24 words, or a file that a passphrase protects.

use bip39::{Language, Mnemonic};
use fingerpost_proto::api::KeptKey;
use fingerpost_proto::keys::SecretKey;
use zeroize::{Zeroize, Zeroizing};

use super::files::{from_line, to_line};
use crate::sealing::{SealError, open_with_passphrase, seal_with_passphrase};

/// How many words stand for a key: its 32 bytes and a checksum of one.
pub const KEY_WORDS: usize = 24;
/// Longest text that is read as words, in bytes.
const TEXT_MAX_BYTES: usize = 1024;
/// Longest content of a file with a key, in bytes.
const CONTENT_MAX_BYTES: usize = 256;
/// Shortest passphrase for a file with a key, in characters.
const PASSPHRASE_MIN_CHARS: usize = 8;

/// Why a kept key cannot be used, or none can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BackupError {
    /// Too few words, or too many.
    #[error("a key is {KEY_WORDS} words, and these are {0}")]
    WordCount(usize),
    /// A word that is not in the list.
    #[error(
        "word {0} is not one of the words that stand for keys: compare it with the paper, letter by letter"
    )]
    UnknownWord(usize),
    /// All are words, but together they are no key.
    #[error(
        "all are words that stand for keys, but the checksum does not fit: one is another word than on the paper, or two have changed places"
    )]
    Checksum,
    /// A passphrase that is too short.
    #[error("a passphrase needs {PASSPHRASE_MIN_CHARS} characters at least")]
    ShortPassphrase,
    /// The file cannot be opened.
    #[error("the key file cannot be opened: {0}")]
    Sealed(#[from] SealError),
    /// The file opens, and holds something else.
    #[error("the file was opened, but holds no key of an organisation")]
    NoKey,
}

/// The words that stand for a key.
///
/// # Errors
/// [`BackupError::Checksum`] never happens: every 32 bytes have their words.
pub fn to_words(key: &SecretKey) -> Result<Vec<String>, BackupError> {
    let seed = Zeroizing::new(key.to_seed());
    let mut mnemonic = Mnemonic::from_entropy_in(Language::English, seed.as_slice())
        .map_err(|_| BackupError::Checksum)?;
    let words = mnemonic.words().map(str::to_owned).collect();
    mnemonic.zeroize();
    Ok(words)
}

/// A key as a file that a passphrase protects.
///
/// # Errors
/// [`BackupError::ShortPassphrase`], [`BackupError::Sealed`].
pub fn to_file(key: &SecretKey, passphrase: Zeroizing<String>) -> Result<String, BackupError> {
    if passphrase.chars().count() < PASSPHRASE_MIN_CHARS {
        return Err(BackupError::ShortPassphrase);
    }
    Ok(seal_with_passphrase(
        to_line("org", key).as_bytes(),
        passphrase,
    )?)
}

/// The root key of words or of a file.
///
/// # Errors
/// Any [`BackupError`].
pub fn read_kept(kept: KeptKey) -> Result<SecretKey, BackupError> {
    match kept {
        KeptKey::Words(words) => from_words(&Zeroizing::new(words)),
        KeptKey::File { file, passphrase } => {
            let passphrase = Zeroizing::new(passphrase);
            let content = open_with_passphrase(file.as_bytes(), passphrase, CONTENT_MAX_BYTES)?;
            let line = std::str::from_utf8(&content).map_err(|_| BackupError::NoKey)?;
            from_line(line, "org").ok_or(BackupError::NoKey)
        }
    }
}

fn from_words(text: &str) -> Result<SecretKey, BackupError> {
    // Numbers between the words, as they may stand on the paper, do no harm.
    let is_word = |word: &&str| {
        !word
            .trim_end_matches('.')
            .bytes()
            .all(|b| b.is_ascii_digit())
    };
    let words: Vec<&str> = text.split_whitespace().filter(is_word).collect();
    if words.len() != KEY_WORDS || text.len() > TEXT_MAX_BYTES {
        return Err(BackupError::WordCount(words.len()));
    }
    let text = Zeroizing::new(words.join(" ").to_lowercase());
    let mut mnemonic =
        Mnemonic::parse_in_normalized(Language::English, &text).map_err(|error| match error {
            bip39::Error::UnknownWord(at) => BackupError::UnknownWord(at + 1),
            bip39::Error::BadWordCount(count) => BackupError::WordCount(count),
            _ => BackupError::Checksum,
        })?;
    let entropy = Zeroizing::new(mnemonic.to_entropy());
    mnemonic.zeroize();
    let seed: &[u8; 32] = entropy
        .as_slice()
        .try_into()
        .map_err(|_| BackupError::WordCount(words.len()))?;
    Ok(SecretKey::from_seed(seed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SecretKey {
        SecretKey::from_seed(&[7; 32])
    }

    fn read(words: &str) -> Result<SecretKey, BackupError> {
        read_kept(KeptKey::Words(words.to_owned()))
    }

    #[test]
    fn words_come_back_however_they_are_written() {
        let words = to_words(&key()).unwrap();
        assert_eq!(words.len(), KEY_WORDS);
        let plain = words.join(" ");
        let numbered: Vec<String> = (1..)
            .zip(&words)
            .map(|(number, word)| format!("{number}. {}", word.to_uppercase()))
            .collect();
        for text in [plain, numbered.join("\n")] {
            assert_eq!(read(&text).unwrap().public(), key().public());
        }
    }

    #[test]
    fn wrong_words_are_named() {
        let mut words = to_words(&key()).unwrap();
        let said = |words: &[String]| read(&words.join(" ")).unwrap_err();
        assert_eq!(said(&words[1..]), BackupError::WordCount(23));
        assert_eq!(said(&[]), BackupError::WordCount(0));
        words[4] = "fingerpost".into();
        assert_eq!(said(&words), BackupError::UnknownWord(5));
        assert!(said(&words).to_string().starts_with("word 5 is not"));
        let mut swapped = to_words(&key()).unwrap();
        swapped[0] = match swapped[0].as_str() {
            "zoo" => "abandon".into(),
            _ => "zoo".into(),
        };
        assert_eq!(said(&swapped), BackupError::Checksum);
        assert_eq!(
            read(&"zoo ".repeat(TEXT_MAX_BYTES)).map(|_| ()),
            Err(BackupError::WordCount(TEXT_MAX_BYTES))
        );
    }

    #[test]
    fn a_file_opens_with_its_passphrase_alone() {
        let word = |text: &str| Zeroizing::new(text.to_owned());
        let file = to_file(&key(), word("correct horse")).unwrap();
        let read = |file: &str, passphrase: &str| {
            read_kept(KeptKey::File {
                file: file.to_owned(),
                passphrase: passphrase.to_owned(),
            })
        };
        assert_eq!(
            read(&file, "correct horse").unwrap().public(),
            key().public()
        );
        assert_eq!(
            read(&file, "battery").map(|_| ()),
            Err(SealError::WrongPassphrase.into())
        );
        assert_eq!(
            read("rubbish", "any").map(|_| ()),
            Err(SealError::Damaged.into())
        );
        let other = seal_with_passphrase(b"a letter", word("correct horse")).unwrap();
        assert_eq!(
            read(&other, "correct horse").map(|_| ()),
            Err(BackupError::NoKey)
        );
        assert_eq!(
            to_file(&key(), word("short")),
            Err(BackupError::ShortPassphrase)
        );
    }
}
