//! Cuts images into tiles.

use std::io::Cursor;

use wasm_flow_sdk::prelude::*;

#[config]
struct Config {
    /// The width and height of a tile, in pixels. Those at the right and at the
    /// bottom may be smaller.
    #[serde(default = "tile")]
    tile: usize,
    /// The most bytes that the pixels of an image may take.
    #[serde(default = "max_bytes")]
    max_bytes: usize,
}

fn tile() -> usize {
    224
}

fn max_bytes() -> usize {
    32 << 20
}

struct ImageTiler {
    config: Config,
}

/// An image of 8-bit samples.
struct Image {
    width: usize,
    height: usize,
    /// 1 for grey, 2 with alpha, 3 for colours, 4 with alpha.
    channels: usize,
    samples: Vec<u8>,
}

/// Replaces PNG images by their tiles.
#[executor(state = "none")]
impl ImageTiler {
    fn new(config: Config) -> Result<Self> {
        ensure!(
            config.tile > 0,
            "`tile` is 0: a tile has at least one pixel"
        );
        Ok(ImageTiler { config })
    }

    /// Reads each document's blob, a PNG, and gives the document a chunk for each
    /// tile: a tensor of `uint8` with the shape height, width, channels. A chunk's
    /// `location` is the tile's place, in pixels from the top and from the left. The
    /// image's size goes into the tags, and the blob goes away.
    #[requests(batch)]
    fn tile(&self, docs: &mut DocumentArray) -> Result<()> {
        for doc in docs.iter_mut() {
            // Taken, so that the PNG is let go of once it is read. The tiles of all
            // images stay in memory until the handler returns.
            let png = doc.take_blob();
            let image = Image::decode(&png, self.config.max_bytes).map_err(|error| {
                let id = doc.id();
                Error::named("ImageError", format_args!("document {id:?}: {error}")).at_document(id)
            })?;
            doc.set_tag("width", image.width);
            doc.set_tag("height", image.height);
            doc.set_mime_type("");
            doc.set_chunks(image.tiles(self.config.tile)?);
        }
        Ok(())
    }
}

impl Image {
    fn decode(png: &[u8], max_bytes: usize) -> Result<Self> {
        ensure!(!png.is_empty(), "it has no blob: send the bytes of a PNG");
        let mut decoder = png::Decoder::new(Cursor::new(png));
        decoder.set_transformations(png::Transformations::normalize_to_color8());
        let mut reader = decoder.read_info()?;
        let bytes = reader
            .output_buffer_size()
            .filter(|bytes| *bytes <= max_bytes)
            .with_context(|| {
                let (width, height) = reader.info().size();
                format!("its {width} x {height} pixels take more than {max_bytes} bytes")
            })?;
        let mut samples = vec![0; bytes];
        let frame = reader.next_frame(&mut samples)?;
        Ok(Image {
            width: frame.width as usize,
            height: frame.height as usize,
            channels: frame.color_type.samples(),
            samples,
        })
    }

    fn tiles(&self, side: usize) -> Result<DocumentArray> {
        let mut tiles = DocumentArray::new();
        for top in (0..self.height).step_by(side) {
            for left in (0..self.width).step_by(side) {
                let height = side.min(self.height - top);
                let width = side.min(self.width - left);
                let samples = self.crop(top, left, height, width);
                let shape = [height as u32, width as u32, self.channels as u32];
                tiles.push(
                    Document::default()
                        .with_tensor(NdArray::from_shape(&shape, samples)?)
                        .with_location([top as f32, left as f32]),
                );
            }
        }
        Ok(tiles)
    }

    fn crop(&self, top: usize, left: usize, height: usize, width: usize) -> Vec<u8> {
        self.samples
            .chunks_exact(self.width * self.channels)
            .skip(top)
            .take(height)
            .flat_map(|row| row.chunks_exact(self.channels).skip(left).take(width))
            .flatten()
            .copied()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use wasm_flow_sdk::Content;
    use wasm_flow_sdk::testing::TestExecutor;

    use super::*;

    /// A grey PNG whose samples count up from 0.
    fn png(width: u32, height: u32) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, width, height);
        encoder.set_color(png::ColorType::Grayscale);
        let samples: Vec<u8> = (0..width * height).map(|sample| sample as u8).collect();
        encoder.write_header()?.write_image_data(&samples)?;
        Ok(bytes)
    }

    #[test]
    fn tiles_cover_the_image_and_say_where_they_lie() -> Result<()> {
        let tiler = TestExecutor::<ImageTiler>::start(json!({ "tile": 3 }))?;
        let image = Document::default()
            .with_id("image")
            .with_blob(png(4, 5)?)
            .with_mime_type("image/png");
        let reply = tiler.post("/", [image])?;
        let doc = &reply.docs[0];
        assert_eq!(doc.content(), Content::None);
        assert_eq!(json!(doc.tags()), json!({ "width": 4, "height": 5 }));
        let places: Vec<(&[f32], &[u32])> = doc
            .chunks()
            .iter()
            .map(|tile| {
                (
                    tile.location(),
                    tile.tensor().map_or(&[][..], NdArray::shape),
                )
            })
            .collect();
        assert_eq!(
            places,
            [
                (&[0.0, 0.0][..], &[3, 3, 1][..]),
                (&[0.0, 3.0], &[3, 1, 1]),
                (&[3.0, 0.0], &[2, 3, 1]),
                (&[3.0, 3.0], &[2, 1, 1]),
            ]
        );
        let last = doc.chunks()[3].tensor().context("no tensor")?;
        assert_eq!(last.as_slice::<u8>()?, [15, 19]);
        assert_eq!(doc.chunks()[0].parent_id(), "image");
        assert_eq!(doc.chunks()[0].granularity(), 1);
        Ok(())
    }

    #[test]
    fn what_is_no_image_is_named() -> Result<()> {
        let tiler = TestExecutor::<ImageTiler>::start(json!({ "max_bytes": 16 }))?;
        for (blob, reason) in [
            (b"".to_vec(), "no blob"),
            (b"GIF89a".to_vec(), "signature"),
            (png(4, 5)?, "4 x 5 pixels take more than 16 bytes"),
        ] {
            let doc = Document::default().with_id("broken").with_blob(blob);
            let error = tiler.post("/", [doc]).unwrap_err();
            assert_eq!(error.name(), "ImageError");
            assert!(
                error.message().starts_with("document \"broken\": "),
                "{error}"
            );
            assert!(error.message().to_lowercase().contains(reason), "{error}");
        }
        Ok(())
    }
}
