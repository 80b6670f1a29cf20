//! A window over what a compressed stream holds: inflates as much as is asked for, and no more.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::{GzDecoder, ZlibDecoder};

use super::limits::HistoryError;

/// How much is inflated at once, and how much of the compressed stream is read at once.
const PIECE: usize = 32 << 10;

/// The first bytes of a gzip stream.
const GZIP: [u8; 2] = [0x1F, 0x8B];

pub(super) struct Window<R> {
    source: Source<R>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// How much may still be inflated.
    left: u64,
    limit: u64,
    is_at_end: bool,
}

enum Source<R> {
    /// Nothing was read yet, so it is not known what it is.
    New(Option<R>),
    Zlib(ZlibDecoder<BufReader<R>>),
    Gzip(GzDecoder<BufReader<R>>),
}

impl<R: Read> Source<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if let Self::New(raw) = self
            && let Some(raw) = raw.take()
        {
            let mut raw = BufReader::with_capacity(PIECE, raw);
            let is_gzip = raw.fill_buf()?.starts_with(&GZIP);
            *self = if is_gzip { Self::Gzip(GzDecoder::new(raw)) } else { Self::Zlib(ZlibDecoder::new(raw)) };
        }
        match self {
            Self::New(_) => Ok(0),
            Self::Zlib(decoder) => decoder.read(into),
            Self::Gzip(decoder) => decoder.read(into),
        }
    }
}

impl<R: Read> Window<R> {
    pub(super) fn new(compressed: R, limit: u64) -> Self {
        Self {
            source: Source::New(Some(compressed)),
            buffer: vec![0; PIECE],
            start: 0,
            end: 0,
            left: limit,
            limit,
            is_at_end: false,
        }
    }

    /// What of the next bytes is there without inflating more.
    pub(super) fn ready(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Sees to it that so many bytes are ready; `false` when the stream has no more so many.
    pub(super) fn fill(&mut self, size: usize) -> Result<bool, HistoryError> {
        if self.end - self.start >= size {
            return Ok(true);
        }
        self.make_room(size);
        while self.end - self.start < size {
            if !self.inflate()? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Goes on behind so many bytes, which must be ready.
    pub(super) fn consume(&mut self, size: usize) {
        self.start = self.end.min(self.start + size);
    }

    /// Goes on behind so many bytes without holding them.
    pub(super) fn skip(&mut self, mut size: u64) -> Result<(), HistoryError> {
        loop {
            let ready = u64::try_from(self.end - self.start).unwrap_or(u64::MAX).min(size);
            self.consume(usize::try_from(ready).unwrap_or(usize::MAX));
            size -= ready;
            if size == 0 {
                return Ok(());
            }
            self.make_room(1);
            if !self.inflate()? {
                return Err(HistoryError::Malformed("cut short"));
            }
        }
    }

    /// Moves what is ready to the front, so that at least `size` bytes fit. A buffer that once was large for a large
    /// record becomes small again.
    fn make_room(&mut self, size: usize) {
        let ready = self.end - self.start;
        let room = size.max(PIECE);
        if self.start + room > self.buffer.len() || (self.buffer.len() > PIECE && room == PIECE) {
            if room == PIECE && self.buffer.len() > PIECE && ready < PIECE {
                let mut small = vec![0; PIECE];
                if let (Some(to), Some(from)) =
                    (small.get_mut(..ready), self.buffer.get(self.start..self.end))
                {
                    to.copy_from_slice(from);
                }
                self.buffer = small;
            } else {
                self.buffer.copy_within(self.start..self.end, 0);
                if self.buffer.len() < room {
                    self.buffer.reserve_exact(room - self.buffer.len());
                    self.buffer.resize(room, 0);
                }
            }
            (self.start, self.end) = (0, ready);
        }
    }

    /// Inflates one more piece behind what is ready; `false` at the end of a stream that is whole.
    fn inflate(&mut self) -> Result<bool, HistoryError> {
        if self.is_at_end {
            return Ok(false);
        }
        let Some(room) = self.buffer.get_mut(self.end..).filter(|room| !room.is_empty()) else {
            return Ok(true);
        };
        let read = loop {
            match self.source.read(room) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => {
                    break other.map_err(|error| match error.kind() {
                        io::ErrorKind::InvalidInput
                        | io::ErrorKind::InvalidData
                        | io::ErrorKind::UnexpectedEof => HistoryError::Damaged,
                        kind => HistoryError::Source(kind),
                    })?;
                }
            }
        };
        self.is_at_end = read == 0;
        self.end += read;
        let size = u64::try_from(read).unwrap_or(u64::MAX);
        self.left = self.left.checked_sub(size).ok_or(HistoryError::TooLarge { limit: self.limit })?;
        Ok(read > 0)
    }
}
