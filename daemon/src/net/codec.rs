//! Frames on a stream: what the sync protocol says, compressed as one.
//!
//! Each direction of a stream is a single zstd stream, so that neighbouring listings, which share
//! most of their JSON, cost little. Inside it each frame stands behind its length (four bytes,
//! big-endian). A direction ends with the end of its zstd stream; a transport that closes before
//! that has cut a frame off, or everything after the last frame.
//!
//! # Cancellation
//! Every future here may be dropped at any point and asked for again: what was read or written so
//! far is kept in the [`FrameReceiver`] and the [`FrameSender`]. Only [`FrameSender::send`] wants
//! care: once it waits, its frame has been taken in.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use super::streams::Stream;
use fingerpost_proto::limits;
use futures::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::time::Instant;
use zstd::stream::raw::{CParameter, DParameter, Decoder, Encoder, InBuffer, Operation, OutBuffer};

/// Compression level of a stream.
const LEVEL: i32 = 3;
/// Size of the window that sender and receiver keep, as a power of two: 1 MiB.
const WINDOW_LOG: u32 = 20;
/// Size of the pieces that are read, in bytes.
const READ_BYTES: usize = 16 * 1024;
/// How much a frame's buffer grows at a time, in bytes: a length alone reserves no more.
const GROW_BYTES: usize = 64 * 1024;
/// Size of the pieces that the compressor fills, in bytes.
const COMPRESS_BYTES: usize = 16 * 1024;
/// From this many compressed bytes on that wait to be written, [`FrameSender::is_full`] says so.
const WRITE_FULL_BYTES: usize = 64 * 1024;

/// Why no more frames come or go. The stream is of no use after any of these.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// A frame is over [`limits::FRAME_MAX_BYTES`].
    #[error(
        "a frame of {bytes} bytes, over the limit of {} bytes",
        limits::FRAME_MAX_BYTES
    )]
    TooLarge {
        /// Its length as its sender gave it.
        bytes: usize,
    },
    /// What came is not a compressed stream of frames, or needs more memory than is allowed.
    #[error("what the other node sent is not a stream of frames: {0}")]
    Corrupt(String),
    /// The other side went away in the middle.
    #[error("the other node ended the stream in the middle")]
    Truncated,
    /// Nothing moved for longer than is allowed.
    #[error("the other node was silent for {ms} ms")]
    Stalled {
        /// The longest silence that is allowed, in milliseconds.
        ms: u64,
    },
    /// A frame after [`FrameSender::finish`].
    #[error("this side of the stream has been finished already")]
    Finished,
    /// The connection failed.
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
}

/// Counts of a stream, shared by its two halves.
#[derive(Debug, Default)]
struct Shared {
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    /// When the other side last took something that we wrote.
    written_at: Mutex<Option<Instant>>,
}

impl Shared {
    fn note_written(&self, bytes: usize) {
        self.bytes_out.fetch_add(bytes as u64, Ordering::Relaxed);
        *self
            .written_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn written_at(&self) -> Option<Instant> {
        *self
            .written_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Frames over a stream, given up after [`limits::SESSION_IDLE_MS`] of silence.
pub fn frames<S: AsyncRead + AsyncWrite>(
    stream: S,
) -> (FrameSender<WriteHalf<S>>, FrameReceiver<ReadHalf<S>>) {
    frames_with_idle(stream, Duration::from_millis(limits::SESSION_IDLE_MS))
}

/// Frames over a stream, given up after another silence.
pub fn frames_with_idle<S: AsyncRead + AsyncWrite>(
    stream: S,
    idle: Duration,
) -> (FrameSender<WriteHalf<S>>, FrameReceiver<ReadHalf<S>>) {
    let shared = Arc::new(Shared::default());
    let (read, write) = stream.split();
    let sender = FrameSender::new(write, Patience::new(idle), Arc::clone(&shared));
    (
        sender,
        FrameReceiver::new(read, Patience::new(idle), shared),
    )
}

/// Sends one small frame and the end, and takes in nothing: for a goodbye, which should not cost the memory
/// of a [`FrameSender`]. The caller bounds the time.
///
/// # Errors
/// [`CodecError::TooLarge`] or [`CodecError::Io`].
pub async fn send_alone<S: AsyncWrite + Unpin>(
    mut stream: S,
    frame: &[u8],
) -> Result<(), CodecError> {
    let too_large = CodecError::TooLarge { bytes: frame.len() };
    if frame.len() > limits::FRAME_MAX_BYTES {
        return Err(too_large);
    }
    let length = u32::try_from(frame.len()).map_err(|_| too_large)?;
    let framed = [&length.to_be_bytes()[..], frame].concat();
    stream
        .write_all(&zstd::bulk::compress(&framed, LEVEL)?)
        .await?;
    Ok(stream.close().await?)
}

/// Measures a silence across futures that are dropped and asked for again.
#[derive(Debug)]
struct Patience {
    idle: Duration,
    /// Since when this half has been waiting for bytes to move.
    since: Option<Instant>,
}

impl Patience {
    fn new(idle: Duration) -> Self {
        Self { idle, since: None }
    }

    /// Runs one read or write under the deadline that the silence so far leaves. A reader passes
    /// what `moved` last in the other direction: who takes what we send is not silent.
    async fn wait<T>(
        &mut self,
        step: impl Future<Output = io::Result<T>>,
        moved: impl Fn() -> Option<Instant>,
    ) -> Result<T, CodecError> {
        let mut step = std::pin::pin!(step);
        let since = *self.since.get_or_insert_with(Instant::now);
        loop {
            let deadline = moved().map_or(since, |moved| moved.max(since)) + self.idle;
            match tokio::time::timeout_at(deadline, step.as_mut()).await {
                Ok(result) => {
                    self.since = None;
                    return Ok(result?);
                }
                Err(_) if moved().is_some_and(|moved| moved + self.idle > deadline) => {}
                Err(_) => {
                    let ms = u64::try_from(self.idle.as_millis()).unwrap_or(u64::MAX);
                    return Err(CodecError::Stalled { ms });
                }
            }
        }
    }
}

/// The receiving half of a stream of frames.
pub struct FrameReceiver<R = ReadHalf<Stream>> {
    io: R,
    /// Made when it is needed, for it takes memory.
    decoder: Option<Decoder<'static>>,
    /// Compressed bytes that were read; those from `wire_at` to `wire_end` are still to be decoded.
    wire: Box<[u8]>,
    wire_at: usize,
    wire_end: usize,
    /// The decoder holds no more output: it needs input before it is asked again.
    drained: bool,
    /// The compressed stream has reached its end.
    ended: bool,
    length: [u8; 4],
    length_filled: usize,
    body: Vec<u8>,
    body_filled: usize,
    patience: Patience,
    shared: Arc<Shared>,
}

impl<R> std::fmt::Debug for FrameReceiver<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FrameReceiver")
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

/// What one call of the decoder led to.
enum Decoded {
    /// A whole frame.
    Frame(Vec<u8>),
    /// Output, but no whole frame yet.
    Some,
    /// Nothing: input is needed.
    Nothing,
}

impl<R: AsyncRead + Unpin> FrameReceiver<R> {
    fn new(io: R, patience: Patience, shared: Arc<Shared>) -> Self {
        Self {
            io,
            decoder: None,
            wire: vec![0; READ_BYTES].into_boxed_slice(),
            wire_at: 0,
            wire_end: 0,
            drained: true,
            ended: false,
            length: [0; 4],
            length_filled: 0,
            body: Vec::new(),
            body_filled: 0,
            patience,
            shared,
        }
    }

    /// Bytes that came in, as compressed. Encryption and framing below are not counted.
    pub fn wire_bytes(&self) -> u64 {
        self.shared.bytes_in.load(Ordering::Relaxed)
    }

    /// The next frame; `None` when the other side has finished.
    ///
    /// Whatever is sent, no more than one frame is held: a stream that expands to gigabytes is
    /// handed out in frames as it is asked for. The caller bounds their number.
    ///
    /// # Errors
    /// [`CodecError`]; the stream is of no use afterwards.
    pub async fn receive(&mut self) -> Result<Option<Vec<u8>>, CodecError> {
        loop {
            if self.ended {
                return self.end();
            }
            if !self.drained || self.wire_at < self.wire_end {
                match self.decode()? {
                    Decoded::Frame(frame) => return Ok(Some(frame)),
                    Decoded::Some => {}
                    Decoded::Nothing => self.drained = true,
                }
                continue;
            }
            let shared = &self.shared;
            let step = self.io.read(&mut self.wire);
            let read = self.patience.wait(step, || shared.written_at()).await?;
            if read == 0 {
                return Err(CodecError::Truncated);
            }
            self.shared
                .bytes_in
                .fetch_add(read as u64, Ordering::Relaxed);
            (self.wire_at, self.wire_end) = (0, read);
            self.drained = false;
        }
    }

    fn end(&self) -> Result<Option<Vec<u8>>, CodecError> {
        if self.length_filled > 0 {
            return Err(CodecError::Truncated);
        }
        if self.wire_at < self.wire_end {
            return Err(CodecError::Corrupt("more after the end".to_owned()));
        }
        Ok(None)
    }

    /// Gives the decoder what was read, and as much room as the present frame leaves.
    fn decode(&mut self) -> Result<Decoded, CodecError> {
        let decoder = match &mut self.decoder {
            Some(decoder) => decoder,
            empty => {
                let mut decoder = Decoder::new()?;
                decoder.set_parameter(DParameter::WindowLogMax(WINDOW_LOG))?;
                empty.insert(decoder)
            }
        };
        let in_header = self.length_filled < self.length.len();
        let room = if in_header {
            self.length.get_mut(self.length_filled..)
        } else {
            self.body.get_mut(self.body_filled..)
        };
        let input = self.wire.get(self.wire_at..self.wire_end);
        let mut input = InBuffer::around(input.unwrap_or_default());
        let mut output = OutBuffer::around(room.unwrap_or_default());
        let hint = decoder
            .run(&mut input, &mut output)
            .map_err(|error| CodecError::Corrupt(error.to_string()))?;
        let (taken, made) = (input.pos(), output.pos());
        self.wire_at += taken;
        self.ended = hint == 0;
        if in_header {
            self.length_filled += made;
        } else {
            self.body_filled += made;
        }
        if made == 0 {
            return Ok(if taken == 0 {
                Decoded::Nothing
            } else {
                Decoded::Some
            });
        }
        self.advance()
    }

    /// Checks a complete length, gives the frame more room, or hands it out when it is whole.
    fn advance(&mut self) -> Result<Decoded, CodecError> {
        if self.length_filled < self.length.len() {
            return Ok(Decoded::Some);
        }
        let length = usize::try_from(u32::from_be_bytes(self.length)).unwrap_or(usize::MAX);
        if length > limits::FRAME_MAX_BYTES {
            return Err(CodecError::TooLarge { bytes: length });
        }
        if self.body_filled == length {
            self.length_filled = 0;
            self.body_filled = 0;
            return Ok(Decoded::Frame(std::mem::take(&mut self.body)));
        }
        if self.body_filled == self.body.len() {
            self.body
                .resize(length.min(self.body_filled + GROW_BYTES), 0);
        }
        Ok(Decoded::Some)
    }
}

/// The sending half of a stream of frames.
pub struct FrameSender<W = WriteHalf<Stream>> {
    io: W,
    /// Made when it is needed, for it takes memory.
    encoder: Option<Encoder<'static>>,
    /// Compressed bytes; those from `out_at` on are still to be written.
    out: Vec<u8>,
    out_at: usize,
    /// The compressor may hold bytes that are not in `out` yet.
    compressing: bool,
    /// Bytes were written that the transport may still hold.
    unflushed: bool,
    finished: bool,
    patience: Patience,
    shared: Arc<Shared>,
}

impl<W> std::fmt::Debug for FrameSender<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FrameSender")
            .field("finished", &self.finished)
            .finish_non_exhaustive()
    }
}

impl<W: AsyncWrite + Unpin> FrameSender<W> {
    fn new(io: W, patience: Patience, shared: Arc<Shared>) -> Self {
        Self {
            io,
            encoder: None,
            out: Vec::new(),
            out_at: 0,
            compressing: false,
            unflushed: false,
            finished: false,
            patience,
            shared,
        }
    }

    /// Bytes that went out, as compressed. Encryption and framing below are not counted.
    pub fn wire_bytes(&self) -> u64 {
        self.shared.bytes_out.load(Ordering::Relaxed)
    }

    /// Sends a frame, sooner or later: for the other side to get it, [`Self::flush`]. Waits only
    /// while much that was sent before is still to be written.
    ///
    /// A future that is dropped while it waits has taken the frame in: do not send it again.
    ///
    /// # Errors
    /// [`CodecError::TooLarge`], with nothing taken in; any other [`CodecError`].
    pub async fn send(&mut self, frame: &[u8]) -> Result<(), CodecError> {
        self.push(frame)?;
        if self.is_full() {
            self.write().await
        } else {
            Ok(())
        }
    }

    /// Takes a frame in and compresses it without waiting. Nothing goes out before [`Self::flush`]
    /// or [`Self::write`]; call one of them when [`Self::is_full`].
    ///
    /// # Errors
    /// [`CodecError::TooLarge`], with nothing taken in; [`CodecError::Finished`].
    pub fn push(&mut self, frame: &[u8]) -> Result<(), CodecError> {
        let too_large = CodecError::TooLarge { bytes: frame.len() };
        if frame.len() > limits::FRAME_MAX_BYTES {
            return Err(too_large);
        }
        if self.finished {
            return Err(CodecError::Finished);
        }
        let length = u32::try_from(frame.len()).map_err(|_| too_large)?;
        self.compressing = true;
        for part in [&length.to_be_bytes()[..], frame] {
            let mut input = InBuffer::around(part);
            while input.pos() < part.len() {
                self.compress(|encoder, output| encoder.run(&mut input, output))?;
            }
        }
        Ok(())
    }

    /// Whether so much waits to be written that the next frame should wait for it.
    pub fn is_full(&self) -> bool {
        self.out.len() - self.out_at >= WRITE_FULL_BYTES
    }

    /// Whether anything was sent that the other side may not have got yet.
    pub fn needs_flush(&self) -> bool {
        self.compressing || self.unflushed || self.out_at < self.out.len()
    }

    /// Writes what is compressed so far. The compressor may hold back the end of the last frame.
    ///
    /// # Errors
    /// [`CodecError::Stalled`] or [`CodecError::Io`].
    pub async fn write(&mut self) -> Result<(), CodecError> {
        while let Some(rest) = self.out.get(self.out_at..).filter(|rest| !rest.is_empty()) {
            let io = Pin::new(&mut self.io);
            let written = self.patience.wait(write_some(io, rest), || None).await?;
            self.out_at += written;
            self.unflushed = true;
            self.shared.note_written(written);
        }
        self.out.clear();
        self.out_at = 0;
        Ok(())
    }

    /// Sends everything that was taken in, so that the other side can read it.
    ///
    /// # Errors
    /// [`CodecError::Stalled`] or [`CodecError::Io`].
    pub async fn flush(&mut self) -> Result<(), CodecError> {
        if self.compressing {
            while self.compress(|encoder, output| encoder.flush(output))? > 0 {}
            self.compressing = false;
        }
        self.write().await?;
        if self.unflushed {
            let io = &mut self.io;
            let step = std::future::poll_fn(|cx| Pin::new(&mut *io).poll_flush(cx));
            self.patience.wait(step, || None).await?;
            self.unflushed = false;
        }
        Ok(())
    }

    /// Sends everything, and the end of this side. The other side can go on.
    ///
    /// # Errors
    /// [`CodecError::Stalled`] or [`CodecError::Io`].
    pub async fn finish(&mut self) -> Result<(), CodecError> {
        if !self.finished {
            while self.compress(|encoder, output| encoder.finish(output, true))? > 0 {}
            (self.compressing, self.finished) = (false, true);
        }
        self.write().await?;
        let io = &mut self.io;
        let step = std::future::poll_fn(|cx| Pin::new(&mut *io).poll_close(cx));
        self.patience.wait(step, || None).await?;
        self.unflushed = false;
        Ok(())
    }

    /// Runs the compressor once with fresh room at the end of `out`.
    fn compress(
        &mut self,
        step: impl FnOnce(&mut Encoder<'static>, &mut OutBuffer<'_, [u8]>) -> io::Result<usize>,
    ) -> Result<usize, CodecError> {
        let encoder = match &mut self.encoder {
            Some(encoder) => encoder,
            empty => {
                let mut encoder = Encoder::new(LEVEL)?;
                encoder.set_parameter(CParameter::WindowLog(WINDOW_LOG))?;
                empty.insert(encoder)
            }
        };
        let start = self.out.len();
        self.out.resize(start + COMPRESS_BYTES, 0);
        let room = self.out.get_mut(start..).unwrap_or_default();
        let mut output = OutBuffer::around(room);
        let outcome = step(encoder, &mut output);
        let made = output.pos();
        self.out.truncate(start + made);
        Ok(outcome?)
    }
}

/// One write of at least a byte.
async fn write_some<W: AsyncWrite>(mut io: Pin<&mut W>, bytes: &[u8]) -> io::Result<usize> {
    std::future::poll_fn(|cx| match io.as_mut().poll_write(cx, bytes) {
        Poll::Ready(Ok(0)) => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
        other => other,
    })
    .await
}

#[cfg(test)]
#[path = "codec_tests.rs"]
mod tests;
