//! Bytes from the socket, in pieces of any size: the same frames come out however they were cut, none is larger than
//! allowed, and memory follows what came, not what a length announces.
#![no_main]

use std::hint::black_box;

use libfuzzer_sys::fuzz_target;
use wa_core::noise::{Header, Receiver, Sender};
use wa_core::wire::frame::{FrameBuffer, FrameError, LENGTH_SIZE, write_frame};

fuzz_target!(|input: &[u8]| {
    let _ = black_box(Header::read(input));
    for limit in [64, 70_000] {
        let whole = read(input, input.len().max(1), limit);
        assert_eq!(whole, read(input, 1, limit));
        assert_eq!(whole, read(input, 7, limit));
        let mut written = Vec::new();
        for frame in &whole.0 {
            assert!(frame.len() <= limit);
            write_frame(frame, &mut written).expect("a frame that was read fits into a frame");
        }
        assert!(input.starts_with(&written), "what was read is what came");
    }
    // Sealed frames: nobody else's opens, ours does.
    let mut sealed = Vec::new();
    Sender::new(&[7; 32], 0).seal_frame(input, &mut sealed).expect("the input fits into a frame");
    let opened = Receiver::new(&[7; 32], 0).open(&mut sealed[LENGTH_SIZE..]).map(|plain| plain.to_vec());
    assert_eq!(opened.as_deref(), Ok(input));
    assert!(Receiver::new(&[8; 32], 0).open(&mut input.to_vec()).is_err());
});

/// The frames of a stream that comes in pieces of one size, and the error that ended it.
fn read(stream: &[u8], piece: usize, limit: usize) -> (Vec<Vec<u8>>, Option<FrameError>) {
    let mut buffer = FrameBuffer::with_max_frame_size(limit);
    let mut frames = Vec::new();
    for bytes in stream.chunks(piece) {
        buffer.push(bytes).expect("all frames were read out");
        loop {
            match buffer.next_frame() {
                Ok(Some(frame)) => frames.push(frame.to_vec()),
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
        assert!(buffer.capacity() <= 2 * (64 << 10) + 2 * stream.len());
    }
    (frames, None)
}
