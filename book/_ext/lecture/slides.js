// Each slide is made smaller until its contents fit: the same in the hall, in the speaker's view and on paper.
const WIDTH = 1280, HEIGHT = 720, LEAST = 0.4;

function fits(section) {
  const sheet = section.querySelector(".sheet"), place = sheet.getBoundingClientRect(), style = getComputedStyle(sheet);
  const scale = place.width / sheet.offsetWidth;
  const right = place.right - parseFloat(style.paddingRight) * scale + 1;
  const bottom = place.top + (HEIGHT - parseFloat(style.paddingBottom)) * scale + 1;
  return [...sheet.querySelectorAll(":scope > :not(.from, .minutes), table, math, img")].every(child => {
    const box = child.getBoundingClientRect();
    return box.right <= right && box.bottom <= bottom;
  });
}

function shrink(section) {
  if (!section || section.dataset.fitted || !section.offsetWidth) return;
  const style = section.querySelector(".sheet").style;
  let size = 1, picture = 1; // a picture gives way first, then everything
  while (!fits(section) && picture > 0.6 && section.querySelector("img")) style.setProperty("--picture", picture -= 0.04);
  while (!fits(section) && size > LEAST) {
    style.setProperty("--size", size -= 0.04);
    style.setProperty("--picture", picture *= 0.97);
  }
  section.dataset.fitted = size.toFixed(2);
}

Promise.all([...document.images].map(image => image.decode().catch(() => null))).then(() =>
  Reveal.initialize({
    width: WIDTH, height: HEIGHT, margin: 0, center: false, hash: true, slideNumber: "c/t", transition: "none",
    plugins: [RevealNotes], pdfSeparateFragments: false, controls: false,
  })
).then(() => document.querySelectorAll(".slides section").forEach(shrink));
Reveal.on("slidechanged", event => shrink(event.currentSlide));
