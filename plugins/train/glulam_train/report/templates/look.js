// A slider below each chart, and the pointer over it, tell the values at one place. Without this all is still there.
for (const chart of document.querySelectorAll(".chart")) {
  const data = JSON.parse(chart.querySelector("script").textContent);
  const [slider, told, svg, cursor] = ["input", "output", ".plot svg", ".cursor"].map((name) => chart.querySelector(name));
  const show = (place) => {
    slider.value = place;
    slider.setAttribute("aria-valuetext", data.told[place]);
    told.textContent = data.told[place];
    cursor.setAttribute("d", `M${data.x[place] * 10} 0V1000`);
    cursor.style.visibility = "visible";
  };
  const nearest = (share) => {
    const wanted = 100 * share;
    return data.x.reduce((best, x, place) => (Math.abs(x - wanted) < Math.abs(data.x[best] - wanted) ? place : best), 0);
  };
  slider.hidden = told.hidden = false;
  slider.max = data.x.length - 1;
  slider.value = slider.max;
  slider.setAttribute("aria-valuetext", data.told.at(-1));
  told.textContent = data.told.at(-1);
  slider.addEventListener("input", () => show(Number(slider.value)));
  slider.addEventListener("focus", () => show(Number(slider.value)));
  slider.addEventListener("blur", () => (cursor.style.visibility = "hidden"));
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    show(nearest((event.clientX - box.left) / box.width));
  });
  svg.addEventListener("pointerleave", () => (cursor.style.visibility = "hidden"));
}
const button = document.querySelector("#theme");
const isDark = () => getComputedStyle(document.documentElement).getPropertyValue("color-scheme").trim() === "dark"
  || (!document.documentElement.style.colorScheme && matchMedia("(prefers-color-scheme: dark)").matches);
const name = () => (button.textContent = isDark() ? "Light" : "Dark");
button.hidden = false;
button.addEventListener("click", () => {
  document.documentElement.style.colorScheme = isDark() ? "light" : "dark";
  name();
});
name();
