//! Mutations of inputs, by numbers that come again.

/// Bytes at which readers change their minds.
const BYTES: &[u8] = b"\0\x01\x7f\x80\xff \t\r\n\"'\\/:;,.=&%+-_@?#*~[]{}()<>09azAZ";

/// Small numbers that look random and come again.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn throw(&mut self, sides: usize) -> usize {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % sides as u64).unwrap()
    }

    fn range(&mut self, length: usize) -> std::ops::Range<usize> {
        let from = self.throw(length + 1);
        let longest = (length - from).min(64);
        from..from + self.throw(longest + 1)
    }
}

/// Draws a seed and changes it at up to eight places.
pub(super) fn mutated(seeds: &[Vec<u8>], words: &[&str], dice: &mut Dice) -> Vec<u8> {
    let mut input = seeds[dice.throw(seeds.len())].clone();
    for _ in 0..1 << dice.throw(4) {
        change(&mut input, seeds, words, dice);
    }
    input
}

fn change(input: &mut Vec<u8>, seeds: &[Vec<u8>], words: &[&str], dice: &mut Dice) {
    let place = dice.throw(input.len() + 1);
    match dice.throw(9) {
        0 if place < input.len() => input[place] ^= 1 << dice.throw(8),
        1 if place < input.len() => input[place] = BYTES[dice.throw(BYTES.len())],
        2 => input.insert(place, BYTES[dice.throw(BYTES.len())]),
        3 => drop(input.drain(dice.range(input.len()))),
        4 => {
            let piece = input[dice.range(input.len())].to_vec();
            input.splice(place..place, piece);
        }
        5 => {
            let other = &seeds[dice.throw(seeds.len())];
            let piece = other[dice.range(other.len())].to_vec();
            let end = (place + dice.throw(piece.len() + 1)).min(input.len());
            input.splice(place..end, piece);
        }
        6 => {
            // The end of another one.
            let other = &seeds[dice.throw(seeds.len())];
            input.truncate(place);
            input.extend_from_slice(&other[dice.throw(other.len() + 1)..]);
        }
        7 => {
            // A number becomes another one.
            let digits = input.iter_mut().filter(|byte| byte.is_ascii_digit());
            for digit in digits {
                if dice.throw(8) == 0 {
                    *digit = b"0189"[dice.throw(4)];
                }
            }
        }
        _ if !words.is_empty() => {
            let word = words[dice.throw(words.len())].bytes();
            input.splice(place..place, word);
        }
        _ => {}
    }
}
