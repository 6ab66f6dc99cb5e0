//! Enums with and without data, and with discriminants.

use mi7::schema::Layout;
use mi7::ShmMessage;
use rkyv::{Archive, Deserialize, Serialize};

#[derive(Archive, Serialize, Deserialize, ShmMessage)]
enum Side {
    Buy,
    Sell,
}

#[derive(Archive, Serialize, Deserialize, ShmMessage)]
enum Shape {
    Point,
    Circle(u8, f64),
    Square { side: u16, corner: Option<u32> },
    Of(Side),
}

const SEVEN: u8 = 7;

#[derive(Archive, Serialize, Deserialize, ShmMessage)]
#[repr(u8)]
enum Numbered {
    Zero,
    Seven = SEVEN,
    Eight(u16),
    Twenty = 4 * 5,
    TwentyOne,
}

#[derive(Archive, Serialize, Deserialize, ShmMessage)]
enum Single {
    Only(u64),
}

fn main() {
    const { Shape::CHECKED }
    const { Single::CHECKED }
    const { Numbered::CHECKED }
    let text = Numbered::SCHEMA.text();
    for (tag, name) in [(0, "Zero"), (7, "Seven"), (20, "Twenty"), (21, "TwentyOne")] {
        assert!(text.contains(&format!("\n | {tag} {name}\n")), "{text}");
    }
    let layout = Layout::parse(&text).unwrap();
    assert_eq!(layout.format(&[8, 0, 1, 2]).unwrap(), "Eight(513)");
}
