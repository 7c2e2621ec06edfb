//! A gzip stream that is small on the wire and large when unpacked, made without a packer.

use crate::reply::Reply;

/// Size when unpacked.
const UNPACKED: usize = 8 << 20;

/// A valid gzip stream (RFC 1952) of `UNPACKED` blanks: one fixed-Huffman block (RFC 1951, 3.2.6) with a
/// blank and then matches of 258 bytes at distance 1, written bit by bit so that no packer is needed.
pub fn bomb() -> Reply {
    let mut bits = Bits::default();
    bits.put(0b011, 3); // last block, fixed Huffman codes
    bits.put_code(0x30 + u32::from(b' '), 8);
    let matches = (UNPACKED - 1) / 258;
    for _ in 0..matches {
        bits.put_code(0b1100_0101, 8); // length 258
        bits.put_code(0, 5); // distance 1
    }
    bits.put_code(0, 7); // end of block
    let size = u32::try_from(1 + matches * 258).unwrap_or_default();
    let mut body = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    body.append(&mut bits.bytes());
    body.extend([0; 4]); // the checksum: nobody should come this far
    body.extend(size.to_le_bytes());
    Reply::text(200, "application/json", body).with("content-encoding", "gzip")
}

#[derive(Default)]
struct Bits {
    done: Vec<u8>,
    bit: u32,
    byte: u8,
}

impl Bits {
    /// A number, least significant bit first.
    fn put(&mut self, value: u32, count: u32) {
        for at in 0..count {
            self.byte |= u8::from(value >> at & 1 == 1) << self.bit;
            self.bit += 1;
            if self.bit == 8 {
                self.done.push(std::mem::take(&mut self.byte));
                self.bit = 0;
            }
        }
    }

    /// A Huffman code, most significant bit first.
    fn put_code(&mut self, code: u32, count: u32) {
        for at in (0..count).rev() {
            self.put(code >> at & 1, 1);
        }
    }

    fn bytes(mut self) -> Vec<u8> {
        if self.bit > 0 {
            self.done.push(self.byte);
        }
        self.done
    }
}
