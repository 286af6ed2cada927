//! A password for the owner of a public RSA key alone, as `caching_sha2_password` sends it without TLS. The key comes from
//! the server, so its size is bounded before anything is computed with it.

use std::ops::RangeInclusive;

use num_bigint::BigUint;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY as SHA1, SHA1_OUTPUT_LEN, digest};
use rustls::pki_types::{SubjectPublicKeyInfoDer, pem::PemObject};

use super::authentication::{Salt, xor};

/// Servers make keys of 2048 bits; nobody needs more than 8192, and computing must end.
const MODULUS_BYTES: RangeInclusive<usize> = 128..=1024;

/// The exponent is 65537 nearly everywhere.
const EXPONENT_BYTES_MAX: usize = 4;

/// Why a password cannot be encrypted with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum KeyError {
    /// No RSA key in PEM form.
    #[error("the server's RSA key is none")]
    NoKey,
    /// Too weak, or more than anybody needs.
    #[error("the server's RSA key has a size that is not accepted (1024 to 8192 bits)")]
    Size,
    /// The padding leaves no room for it.
    #[error("the password is too long for the server's RSA key; use TLS")]
    LongPassword,
}

/// Encrypts `password`, mixed with `salt`, for the owner of `key` (PEM).
pub(super) fn encrypt(password: &str, salt: &Salt, key: &[u8]) -> Result<Vec<u8>, KeyError> {
    encrypt_with_seed(password, salt, key, &rand::random())
}

fn encrypt_with_seed(
    password: &str,
    salt: &Salt,
    key: &[u8],
    seed: &[u8; SHA1_OUTPUT_LEN],
) -> Result<Vec<u8>, KeyError> {
    let key = SubjectPublicKeyInfoDer::from_pem_slice(key).map_err(|_| KeyError::NoKey)?;
    let (modulus, exponent) = numbers(key.as_ref()).ok_or(KeyError::NoKey)?;
    if !MODULUS_BYTES.contains(&modulus.len()) || exponent.len() > EXPONENT_BYTES_MAX {
        return Err(KeyError::Size);
    }
    let text = [password.as_bytes(), &[0]].concat();
    let message = xor(&text, &salt.repeat(text.len().div_ceil(salt.len())));
    let padded = pad(&message, modulus.len(), seed).ok_or(KeyError::LongPassword)?;
    let [padded, exponent_number, modulus_number] = [&padded, exponent, modulus].map(BigUint::from_bytes_be);
    let encrypted = padded.modpow(&exponent_number, &modulus_number).to_bytes_be();
    Ok([vec![0; modulus.len() - encrypted.len()], encrypted].concat())
}

/// OAEP with SHA-1 and without a label (RFC 8017, 7.1.1); `None` if the message is too long for the key.
fn pad(message: &[u8], key_bytes: usize, seed: &[u8; SHA1_OUTPUT_LEN]) -> Option<Vec<u8>> {
    let zeros = key_bytes.checked_sub(message.len() + 2 * SHA1_OUTPUT_LEN + 2)?;
    let block = [digest(&SHA1, &[]).as_ref(), &vec![0; zeros], &[1], message].concat();
    let block = xor(&block, &mask(seed, block.len()));
    let seed = xor(seed, &mask(&block, SHA1_OUTPUT_LEN));
    Some([&[0][..], &seed, &block].concat())
}

/// MGF1 with SHA-1 (RFC 8017, B.2.1).
fn mask(seed: &[u8], bytes: usize) -> Vec<u8> {
    let mut mask = Vec::with_capacity(bytes + SHA1_OUTPUT_LEN);
    for counter in 0_u32.. {
        if mask.len() >= bytes {
            break;
        }
        mask.extend_from_slice(digest(&SHA1, &[seed, &counter.to_be_bytes()].concat()).as_ref());
    }
    mask.truncate(bytes);
    mask
}

/// The modulus and the exponent of an RSA key in a `SubjectPublicKeyInfo`, neither of them 0 or with zeros in front.
fn numbers(der: &[u8]) -> Option<(&[u8], &[u8])> {
    const SEQUENCE: u8 = 0x30;
    const BIT_STRING: u8 = 0x03;
    const INTEGER: u8 = 0x02;
    /// 1.2.840.113549.1.1.1
    const RSA: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
    let (info, _) = element(SEQUENCE, der)?;
    let (algorithm, info) = element(SEQUENCE, info)?;
    if !algorithm.starts_with(RSA) {
        return None;
    }
    let (bits, _) = element(BIT_STRING, info)?;
    let (key, _) = element(SEQUENCE, bits.strip_prefix(&[0])?)?;
    let (modulus, key) = element(INTEGER, key)?;
    let (exponent, _) = element(INTEGER, key)?;
    Some((without_zeros(modulus)?, without_zeros(exponent)?))
}

fn without_zeros(number: &[u8]) -> Option<&[u8]> {
    number.iter().position(|byte| *byte != 0).map(|first| &number[first..])
}

/// The content of the DER element that `der` begins with, and what follows it.
fn element(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let [found, length, rest @ ..] = der else { return None };
    if *found != tag {
        return None;
    }
    let (length, rest) = match (*length, rest) {
        (short @ ..=0x7f, rest) => (usize::from(short), rest),
        (0x81, [length, rest @ ..]) => (usize::from(*length), rest),
        (0x82, [high, low, rest @ ..]) => (usize::from(u16::from_be_bytes([*high, *low])), rest),
        (0x83, [high, middle, low, rest @ ..]) => {
            (usize::from(*high) << 16 | usize::from(*middle) << 8 | usize::from(*low), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQCu+8L2UUWV2vgl2K3BYScST2lZ
1MobGWShtLfNuubxZ3QwGwugMQsBnOTtpcFp013i+5gs02J+DTzmOWIpbiczIKV1
GsfHEh4Mi3P8iev2G2RydfHMBRrN0uuGBwJO0TXWsXCjBv87ms00bI7IgZkNMG97
NqLcxwCMrThgL4V61wIDAQAB
-----END PUBLIC KEY-----
";

    const SALT: Salt = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20];

    fn seed() -> [u8; SHA1_OUTPUT_LEN] {
        std::array::from_fn(|index| 100 + u8::try_from(index).unwrap())
    }

    /// Made by Python's integers and decrypted by `openssl pkeyutl -pkeyopt rsa_padding_mode:oaep`.
    #[test]
    fn the_owner_of_the_key_can_decrypt_it() {
        const ENCRYPTED: &str = "647129f991e3fa193108e9adef8d29fca5f825ce45cd5e87d19ec9710d424970\
                                 be2eb4aaec13a925fcebd25610d62159af81dc330d22e70d938abe74bbbe2539\
                                 080621294517196235f0e9f6063088bc698d91e321cd5fc82a37028b0a1b65e3\
                                 a5fe8a470f936128bfe2892ae4df4fd3adf4a2b413c49bbc616e921432f383d6";
        let encrypted = encrypt_with_seed("correct horse", &SALT, KEY.as_bytes(), &seed()).unwrap();
        let hex: Vec<String> = encrypted.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex.concat(), ENCRYPTED);
        let again = encrypt("correct horse", &SALT, KEY.as_bytes()).unwrap();
        assert_ne!(encrypt("correct horse", &SALT, KEY.as_bytes()).unwrap(), again, "each has a seed of its own");
    }

    #[test]
    fn a_password_that_the_key_has_no_room_for_is_refused() {
        let encrypt = |length| encrypt(&"x".repeat(length), &SALT, KEY.as_bytes());
        // 128 bytes of key, of which the padding takes 42 and the closing zero 1.
        assert!(encrypt(85).is_ok());
        assert_eq!(encrypt(86), Err(KeyError::LongPassword));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let cut = &KEY.as_bytes()[..100];
        for key in
            [&b""[..], b"key", cut, &KEY.as_bytes()[1..], b"-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----"]
        {
            assert_eq!(encrypt("x", &SALT, key), Err(KeyError::NoKey), "{}", String::from_utf8_lossy(key));
        }
    }

    proptest! {
        #[test]
        fn no_der_makes_it_panic(der: Vec<u8>, at: usize, byte: u8) {
            numbers(&der);
            let mut key = SubjectPublicKeyInfoDer::from_pem_slice(KEY.as_bytes()).unwrap().as_ref().to_vec();
            let at = at % key.len();
            key[at] = byte;
            numbers(&key);
        }
    }
}
