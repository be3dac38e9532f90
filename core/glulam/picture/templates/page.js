"use strict";
// Boards and keys respond: what is pointed at or chosen stands out with all that it reads and writes.
(() => {
  const root = document.documentElement;
  const picture = document.querySelector(".picture");
  const panel = document.querySelector(".panel");
  const find = document.getElementById("find");
  const theme = document.getElementById("theme");
  const boards = [...picture.querySelectorAll(".board")];
  const chips = [...picture.querySelectorAll(".chip")];
  const wires = [...picture.querySelectorAll(".wire")];
  let chosen = "";
  root.classList.add("scripted");

  const nameOf = (element) => element.dataset.board === undefined ? `line-${element.dataset.line}` : `board-${element.dataset.board}`;

  // A board is near the keys on its wires, and a key the boards on its.
  function near(name) {
    const [kind, number] = name.split("-");
    const touching = wires.filter((wire) => wire.dataset[kind] === number);
    const ends = touching.map((wire) => (kind === "board" ? `line-${wire.dataset.line}` : `board-${wire.dataset.board}`));
    return { names: new Set([name, ...ends]), touching };
  }

  function mark(name) {
    const { names, touching } = name ? near(name) : { names: new Set(), touching: [] };
    picture.classList.toggle("dimmed", Boolean(name));
    for (const element of [...boards, ...chips]) element.classList.toggle("near", names.has(nameOf(element)));
    for (const wire of wires) wire.classList.toggle("near", touching.includes(wire));
  }

  function choose(name) {
    chosen = name;
    for (const article of panel.querySelectorAll("article")) article.classList.toggle("shown", article.id === name);
    for (const board of boards) board.setAttribute("aria-pressed", String(nameOf(board) === name));
    for (const chip of chips) chip.classList.toggle("chosen", nameOf(chip) === name);
    panel.classList.toggle("showing", Boolean(name));
    panel.scrollTop = 0;
    mark(name);
  }

  // Scrolls just so far that an element is seen beside, or on a phone above, what is told of it.
  function reveal(element) {
    const room = getComputedStyle(panel).position === "fixed" ? panel.getBoundingClientRect().top : innerHeight;
    const { top, bottom } = element.getBoundingClientRect();
    if (bottom > room - 16) scrollBy({ top: bottom - room + 16 });
    else if (top < 16) scrollBy({ top: top - 16 });
  }

  function toggle(element) {
    choose(chosen === nameOf(element) ? "" : nameOf(element));
    reveal(element);
  }

  for (const element of [...boards, ...chips]) {
    element.addEventListener("click", () => toggle(element));
    element.addEventListener("pointerenter", () => mark(nameOf(element)));
    element.addEventListener("pointerleave", () => mark(chosen));
  }

  // Links to layers and keys, wherever they stand.
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-show], .close");
    if (!button) return;
    choose(button.dataset.show ?? "");
    const element = [...boards, ...chips].find((each) => nameOf(each) === button.dataset.show);
    if (element) reveal(element);
  });

  document.addEventListener("keydown", (event) => {
    const place = boards.indexOf(document.activeElement);
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    if (event.key === "Escape") {
      if (document.activeElement === find) find.value = "";
      choose("");
    } else if (event.key === "/" && document.activeElement !== find) {
      find.focus();
    } else if (place >= 0 && step) {
      boards[(place + step + boards.length) % boards.length].focus();
    } else if (place >= 0 && (event.key === "Enter" || event.key === " ")) {
      toggle(boards[place]);
    } else {
      return;
    }
    event.preventDefault();
  });

  const matches = (word) => [...boards, ...chips].filter((element) => element.textContent.toLowerCase().includes(word));
  find.addEventListener("input", () => {
    const word = find.value.trim().toLowerCase();
    if (!word) return mark(chosen);
    const found = new Set(matches(word));
    picture.classList.add("dimmed");
    for (const element of [...boards, ...chips]) element.classList.toggle("near", found.has(element));
    for (const wire of wires) wire.classList.remove("near");
  });
  find.addEventListener("keydown", (event) => {
    const word = find.value.trim().toLowerCase();
    const [first] = event.key === "Enter" && word ? matches(word) : [];
    if (first && chosen !== nameOf(first)) toggle(first);
  });

  // Dark or light as the reader's system has it, until the button says otherwise.
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.style.colorScheme || (dark.matches ? "dark" : "light")) === "dark";
  const tell = () => theme.setAttribute("aria-pressed", String(isDark()));
  theme.addEventListener("click", () => {
    root.style.colorScheme = isDark() ? "light" : "dark";
    tell();
  });
  dark.addEventListener("change", tell);
  tell();
})();
