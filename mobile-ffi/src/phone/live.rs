//! Listening: the server tells a connected phone that something it may read has changed, and nothing more.

use std::io::{BufRead, BufReader, Read};

use super::{Phone, sync::refusal};
use crate::{HttpTransport, PhoneError, Request, Response};

/// Bytes of one line of the stream; the server's are far shorter.
const LINE_BYTES_MAX: u64 = 4_096;

/// What came over the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// It is open: what changed before is not told, so sync now.
    Open,
    /// Something changed that this person may read.
    Poke,
    /// Nothing; the connection lives.
    Silence,
}

impl Phone<HttpTransport> {
    /// Tells `hear` what the server says until it says stop, or the stream ends, which it does with the access token.
    ///
    /// # Errors
    /// As a sync's.
    pub fn listen(&mut self, hear: &mut dyn FnMut(Heard) -> bool) -> Result<(), PhoneError> {
        self.check_flight_mode()?;
        self.check_unlocked()?;
        let stream = match self.open_stream()? {
            Ok(stream) => stream,
            Err(response) if response.status == 401 => {
                self.forget_token()?;
                self.open_stream()?.map_err(|response| refusal(&response))?
            }
            Err(response) => return Err(refusal(&response)),
        };
        let mut stream = BufReader::new(stream);
        if !hear(Heard::Open) {
            return Ok(());
        }
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = Read::take(&mut stream, LINE_BYTES_MAX).read_until(b'\n', &mut line);
            let heard = match read {
                Ok(0) => return Ok(()),
                Ok(_) if line.starts_with(b"data:") => Heard::Poke,
                Ok(_) => Heard::Silence,
                Err(error) => return Err(PhoneError::Offline(error.to_string())),
            };
            if !hear(heard) {
                return Ok(());
            }
        }
    }

    fn open_stream(&mut self) -> Result<Result<impl Read + use<>, Response>, PhoneError> {
        let request = Request {
            body: None,
            path: "/v1/live".to_owned(),
            token: Some(self.token()?),
            content_type: "",
            is_sync: false,
        };
        let opened = self.transport.open(&request);
        opened.map_err(|error| PhoneError::Offline(error.0))
    }
}
