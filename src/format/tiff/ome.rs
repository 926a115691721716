//! OME-XML in the first page's description: sizes, pixel size, time step and time per plane.
//!
//! Schema: <https://docs.openmicroscopy.org/ome-model/6.2.2/ome-tiff/specification.html>. Planes
//! are frames in the file's DimensionOrder; `TiffData` says which page holds which plane.

use std::collections::HashMap;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::metadata::{Described, positive};
use crate::format::units::{nm_per, s_per};

type Attributes = HashMap<String, String>;

/// Sizes along the three axes that make frames, fastest first.
struct Order {
    axes: Vec<(char, usize)>,
    /// Pages of the file: what the header says of planes beyond them takes no memory.
    pages: usize,
}

/// Reads the first image of an OME-XML document in a file of `pages` pages; what is broken is left
/// out, with a note.
pub fn parse(text: &str, pages: usize) -> Described {
    let mut described = Described { writer: Some("OME-TIFF"), ..Described::default() };
    let mut reader = Reader::from_str(text);
    let mut order: Option<Order> = None;
    let mut in_acquisition_date = false;
    loop {
        match reader.read_event() {
            Ok(Event::Start(tag) | Event::Empty(tag)) => {
                let attributes = attributes(&tag);
                match (tag.local_name().as_ref(), &order) {
                    (b"AcquisitionDate", None) => in_acquisition_date = true,
                    (b"Pixels", None) => order = pixels(&attributes, pages, &mut described),
                    (b"Plane", Some(order)) => plane(&attributes, order, &mut described),
                    (b"TiffData", Some(order)) => tiff_data(&attributes, order, &mut described),
                    (b"UUID", Some(_)) if attributes.contains_key("FileName") => {
                        note_once(
                            &mut described,
                            "planes may lie in other files of the same OME set",
                        );
                    }
                    _ => {}
                }
            }
            Ok(Event::Text(date)) if in_acquisition_date => {
                let zoned = std::str::from_utf8(&date).ok().and_then(|s| s.trim().parse().ok());
                described.start_unix_time_s =
                    zoned.map(|stamp: jiff::Timestamp| stamp.as_nanosecond() as f64 * 1e-9);
            }
            Ok(Event::End(tag)) => match tag.local_name().as_ref() {
                b"AcquisitionDate" => in_acquisition_date = false,
                // Further images are thumbnails or other positions.
                b"Pixels" => break,
                _ => {}
            },
            Ok(Event::Eof) => break,
            Err(error) => {
                described
                    .notes
                    .push(format!("the OME-XML is broken ({error}); read as far as it goes"));
                break;
            }
            Ok(_) => {}
        }
    }
    if described.pages.iter().enumerate().all(|(frame, page)| frame == *page) {
        described.pages.clear();
    }
    described
}

fn attributes(tag: &BytesStart<'_>) -> Attributes {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    tag.attributes()
        .flatten()
        .map(|a| {
            let value = a.unescape_value().map_or_else(|_| text(&a.value), |v| v.into_owned());
            (text(a.key.local_name().as_ref()), value)
        })
        .collect()
}

/// The `Pixels` element: sizes and calibration.
fn pixels(attributes: &Attributes, pages: usize, described: &mut Described) -> Option<Order> {
    let length = |axis: &str| {
        let unit = attributes.get(&format!("PhysicalSize{axis}Unit")).map_or("µm", String::as_str);
        Some(number(attributes, &format!("PhysicalSize{axis}"))? * nm_per(unit)?)
    };
    if let (Some(x), Some(y)) = (length("X"), length("Y")) {
        described.pixel_size_nm = positive(x, y);
    }
    let unit = attributes.get("TimeIncrementUnit").map_or("s", String::as_str);
    let step = number(attributes, "TimeIncrement").zip(s_per(unit)).map(|(step, s)| step * s);
    let order = attributes.get("DimensionOrder").map_or("XYZCT", String::as_str);
    let size = |axis: char| {
        attributes
            .get(&format!("Size{axis}"))
            .and_then(|n| n.parse().ok())
            .filter(|n| *n > 0)
            .unwrap_or(1)
    };
    let axes: Vec<(char, usize)> =
        order.chars().filter(|axis| "ZCT".contains(*axis)).map(|axis| (axis, size(axis))).collect();
    let frames = axes.iter().try_fold(1_usize, |product, (_, n)| product.checked_mul(*n));
    let frames = frames?;
    described.frames = Some(frames);
    if size('T') == frames {
        described.frame_interval_s = step.filter(|s| *s > 0.0);
    } else if frames > 1 {
        described.notes.push(format!(
            "{} depths, {} channels and {} times are read as frames in the order {order}",
            size('Z'),
            size('C'),
            size('T')
        ));
    }
    Some(Order { axes, pages })
}

/// A `Plane` element: its time.
fn plane(attributes: &Attributes, order: &Order, described: &mut Described) {
    let unit = attributes.get("DeltaTUnit").map_or("s", String::as_str);
    let Some((time, unit_s)) = number(attributes, "DeltaT").zip(s_per(unit)) else { return };
    let Some(frame) = order.frame(attributes, "The") else { return };
    if described.times_s.len() <= frame {
        described.times_s.resize(frame + 1, None);
    }
    if let Some(place) = described.times_s.get_mut(frame) {
        *place = Some(time * unit_s);
    }
}

/// A `TiffData` element: which pages hold which planes.
fn tiff_data(attributes: &Attributes, order: &Order, described: &mut Described) {
    let Some(page) = attributes.get("IFD").and_then(|n| n.parse::<usize>().ok()) else { return };
    let count = attributes.get("PlaneCount").and_then(|n| n.parse().ok()).unwrap_or(1_usize);
    let Some(first) = order.frame(attributes, "First") else { return };
    let last = first.saturating_add(count).min(order.frames()).min(order.pages);
    for frame in first..last {
        while described.pages.len() <= frame {
            described.pages.push(described.pages.len());
        }
        if let Some(place) = described.pages.get_mut(frame) {
            *place = page.saturating_add(frame - first);
        }
    }
}

impl Order {
    fn frames(&self) -> usize {
        self.axes.iter().map(|(_, n)| n).product()
    }

    /// The frame of the plane at `TheZ`, `TheC`, `TheT` (or `FirstZ`, …); `None` outside the
    /// sizes or the file.
    fn frame(&self, attributes: &Attributes, prefix: &str) -> Option<usize> {
        let mut frame = 0;
        let mut stride = 1;
        for (axis, size) in &self.axes {
            let place =
                attributes.get(&format!("{prefix}{axis}")).map_or(Some(0), |n| n.parse().ok())?;
            if place >= *size {
                return None;
            }
            frame += place * stride;
            stride *= size;
        }
        (frame < self.pages).then_some(frame)
    }
}

fn number(attributes: &Attributes, key: &str) -> Option<f64> {
    attributes.get(key)?.trim().parse().ok().filter(|v: &f64| v.is_finite())
}

fn note_once(described: &mut Described, note: &str) {
    if !described.notes.iter().any(|have| have == note) {
        described.notes.push(note.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_times_and_pages_are_read() {
        let described = parse(
            r#"<?xml version="1.0"?><OME><Image ID="Image:0">
            <AcquisitionDate>2024-03-01T10:00:00Z</AcquisitionDate>
            <Pixels DimensionOrder="XYZCT" SizeX="4" SizeY="3" SizeZ="1" SizeC="1" SizeT="3"
              PhysicalSizeX="0.5" PhysicalSizeXUnit="nm" PhysicalSizeY="0.002" TimeIncrement="20"
              TimeIncrementUnit="ms">
            <TiffData FirstT="0" IFD="2"/><TiffData FirstT="1" IFD="0" PlaneCount="2"/>
            <Plane TheT="0" TheZ="0" TheC="0" DeltaT="1.5"/>
            <Plane TheT="2" DeltaT="1560" DeltaTUnit="ms"/>
            </Pixels></Image><Image><Pixels SizeT="9"/></Image></OME>"#,
            3,
        );
        assert_eq!(described.frames, Some(3));
        assert_eq!(described.pixel_size_nm, Some((0.5, 2.0)));
        assert_eq!(described.frame_interval_s, Some(0.02));
        assert_eq!(described.pages, [2, 0, 1]);
        assert_eq!(described.times_s, [Some(1.5), None, Some(1.56)]);
        assert_eq!(described.start_unix_time_s, Some(1_709_287_200.0));
    }

    #[test]
    fn damage_takes_nothing_down() {
        for text in [
            "<OME",
            "<OME><Pixels SizeT='99999999999' SizeZ='99999999999'/>",
            "<OME><Pixels SizeT='60000000'><Plane TheT='50000000' DeltaT='1'/><TiffData IFD='0' PlaneCount='60000000'/>",
            "<OME><Pixels SizeT='3'><Plane TheT='99999999999' DeltaT='1'/><TiffData IFD='18446744073709551615' PlaneCount='18446744073709551615'/>",
        ] {
            let described = parse(text, 2);
            assert!(described.times_s.is_empty() && described.pages.len() <= 2, "{text}");
        }
    }
}
