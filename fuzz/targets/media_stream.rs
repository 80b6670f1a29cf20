//! Media files from strangers' hosts, in pieces of any size: what was encrypted is opened again however it is cut, and
//! nothing else is taken for it. And answers about files that were asked for again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wa_core::media::cipher::{CipherError, Decryptor, Encryptor, FileHashes, encrypted_length};
use wa_core::media::retry::RetrySecret;
use wa_core::media::{MediaKey, MediaKind};

fuzz_target!(|input: &[u8]| {
    let Some(([piece, flip, kind], bytes)) = input.split_first_chunk() else { return };
    let key = MediaKey::new([7; 32]);
    let kind = MediaKind::ALL[usize::from(*kind) % MediaKind::ALL.len()];
    let piece = usize::from(*piece) + 1;
    // What came is no file of ours, however it is cut.
    let foreign = open(&key, kind, bytes, piece);
    assert!(foreign.is_err());
    assert_eq!(foreign, open(&key, kind, bytes, bytes.len().max(1)));
    // What we encrypt is, until a bit of it changes.
    let mut encryptor = Encryptor::new(&key, kind).with_first_frame(u64::from(*flip) * 7);
    let (mut file, mut buffer) = (Vec::new(), Vec::new());
    for piece in bytes.chunks(piece) {
        buffer.extend_from_slice(piece);
        let count = encryptor.update(&mut buffer);
        file.extend(buffer.drain(..count));
    }
    let sealed = encryptor.finish(&mut buffer);
    file.append(&mut buffer);
    assert_eq!(encrypted_length(bytes.len() as u64), Some(file.len() as u64));
    if let Some(sidecar) = &sealed.sidecar {
        assert_eq!(sidecar.len(), 10 * file.len().div_ceil(64 << 10));
    }
    assert_eq!(open(&key, kind, &file, piece + 3).as_deref(), Ok(bytes));
    let place = usize::from(*flip) * 251 % file.len();
    file[place] ^= 1 << (flip % 8);
    assert_eq!(open(&key, kind, &file, piece), Err(CipherError::Mac));
    // An answer of the phone that it did not make.
    let secret = RetrySecret::new(bytes.to_vec(), [1; 12]);
    assert!(secret.clone().open_answer(&key, "ID").is_err());
    assert!(secret.open_request(&key, "ID").is_err());
});

fn open(key: &MediaKey, kind: MediaKind, file: &[u8], piece: usize) -> Result<Vec<u8>, CipherError> {
    let (mut decryptor, mut out, mut buffer) = (Decryptor::new(key, kind), Vec::new(), Vec::new());
    for bytes in file.chunks(piece) {
        buffer.extend_from_slice(bytes);
        let count = decryptor.update(&mut buffer);
        out.extend(buffer.drain(..count));
        assert!(buffer.len() < 26 + 16, "no more is kept than may be the end");
    }
    decryptor.finish(&mut buffer, &FileHashes::default())?;
    out.append(&mut buffer);
    Ok(out)
}
