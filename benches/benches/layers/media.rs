//! Media files as they stream by, and the ciphers and hashes alone: what the machine can do.

use std::hint::black_box;
use std::sync::mpsc::sync_channel;
use std::thread;

use aes::{Aes256Dec, Aes256Enc};
use cbc::cipher::array::Array;
use cbc::cipher::{BlockModeDecrypt as _, BlockModeEncrypt as _, KeyIvInit as _};
use criterion::{Criterion, Throughput};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use wa_core::media::cipher::{Decryptor, Encryptor, FileHashes, TRAILER};
use wa_core::media::{MediaKey, MediaKind};

/// A file, and a piece of it as the driver has them.
const FILE: usize = 16 << 20;
const PIECE: usize = 256 << 10;

pub(crate) fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("media_16_mib");
    group.throughput(Throughput::Bytes(FILE as u64)).sample_size(10);
    let key = MediaKey::new([7; 32]);
    let mut file = vec![5; FILE];
    for (name, kind) in [("encrypt", MediaKind::Image), ("encrypt_with_sidecar", MediaKind::Video)] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut encryptor = Encryptor::new(&key, kind);
                for piece in file.chunks_mut(PIECE) {
                    encryptor.update(piece);
                }
                encryptor.finish(&mut Vec::new())
            });
        });
        group.bench_function(format!("{name}_on_two_threads"), |bencher| {
            bencher.iter(|| encrypt_on_two(&key, kind, &mut file));
        });
    }

    let mut rest = Vec::new();
    let mut ciphertext = file.clone();
    let mut encryptor = Encryptor::new(&key, MediaKind::Image);
    encryptor.update(&mut ciphertext);
    encryptor.finish(&mut rest);
    ciphertext.append(&mut rest);
    group.bench_function("decrypt", |bencher| {
        bencher.iter_batched_ref(
            || ciphertext.clone(),
            |ciphertext| {
                let mut decryptor = Decryptor::new(&key, MediaKind::Image);
                let (whole, rest) = ciphertext.split_at_mut(Decryptor::whole(FILE + TRAILER));
                for piece in whole.chunks_mut(PIECE) {
                    decryptor.proving.update(piece);
                    decryptor.opening.update(piece);
                }
                decryptor.finish(&mut rest.to_vec(), &FileHashes::default()).expect("a whole file")
            },
            criterion::BatchSize::LargeInput,
        );
    });
    group.bench_function("decrypt_on_two_threads", |bencher| {
        bencher.iter_batched_ref(
            || ciphertext.clone(),
            |ciphertext| decrypt_on_two(&key, ciphertext),
            criterion::BatchSize::LargeInput,
        );
    });

    let mut cipher = cbc::Encryptor::<Aes256Enc>::new(&[1; 32].into(), &[2; 16].into());
    group.bench_function("limit_aes_256_cbc_encrypt", |bencher| {
        bencher.iter(|| {
            for piece in file.chunks_mut(PIECE) {
                cipher.encrypt_blocks(Array::slice_as_chunks_mut(piece).0);
            }
        });
    });
    let mut cipher = cbc::Decryptor::<Aes256Dec>::new(&[1; 32].into(), &[2; 16].into());
    group.bench_function("limit_aes_256_cbc_decrypt", |bencher| {
        bencher.iter(|| {
            for piece in file.chunks_mut(PIECE) {
                cipher.decrypt_blocks(Array::slice_as_chunks_mut(piece).0);
            }
        });
    });
    group.bench_function("limit_sha_256", |bencher| bencher.iter(|| Sha256::digest(black_box(&file))));
    let mac = Hmac::<Sha256>::new_from_slice(&[3; 32]).expect("any length");
    group.bench_function("limit_hmac_sha_256", |bencher| {
        bencher.iter(|| mac.clone().chain_update(black_box(&file)).finalize());
    });
    group.finish();
}

/// One piece is encrypted while the one before is hashed.
fn encrypt_on_two(key: &MediaKey, kind: MediaKind, file: &mut [u8]) {
    let Encryptor { mut sealing, mut proving } = Encryptor::new(key, kind);
    let (ready, pieces) = sync_channel::<&mut [u8]>(1);
    thread::scope(|scope| {
        let proven = scope.spawn(move || {
            pieces.iter().for_each(|piece| proving.update(piece));
            proving
        });
        for piece in file.chunks_mut(PIECE) {
            sealing.update(piece);
            ready.send(piece).expect("the other thread runs");
        }
        drop(ready);
        let (proving, mut rest) = (proven.join().expect("no panic"), Vec::new());
        let sealed = sealing.finish(&mut rest);
        black_box(proving.finish(sealed, &mut rest));
    });
}

/// One piece is decrypted while the next one is hashed.
fn decrypt_on_two(key: &MediaKey, ciphertext: &mut [u8]) {
    let Decryptor { mut proving, mut opening } = Decryptor::new(key, MediaKind::Image);
    let (whole, rest) = ciphertext.split_at_mut(Decryptor::whole(FILE + TRAILER));
    let (ready, pieces) = sync_channel::<&mut [u8]>(1);
    thread::scope(|scope| {
        let opened = scope.spawn(move || {
            pieces.iter().for_each(|piece| opening.update(piece));
            opening
        });
        for piece in whole.chunks_mut(PIECE) {
            proving.update(piece);
            ready.send(piece).expect("the other thread runs");
        }
        drop(ready);
        let (opening, mut rest) = (opened.join().expect("no panic"), rest.to_vec());
        let hashes = FileHashes::default();
        proving.check(&mut rest, &hashes).expect("a whole file");
        black_box(opening.finish(&mut rest, &hashes).expect("a whole file"));
    });
}
