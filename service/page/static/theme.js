// Light or dark before anything is drawn: what was chosen here before, else as the system has it.
// A classic script in the head, so that the page never flashes in the wrong colours.
(function () {
  const NAME = "plimsoll-theme";
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const kept = () => {
    try {
      return localStorage.getItem(NAME);
    } catch {
      return null; // storage is forbidden: the system's choice it is
    }
  };
  const apply = (theme) => {
    root.setAttribute("data-theme", theme);
    dispatchEvent(new Event("themechange"));
  };
  const choose = () => {
    const theme = root.getAttribute("data-theme") === "dark" ? "light" : "dark";
    try {
      localStorage.setItem(NAME, theme);
    } catch {
      // it holds until the page is left
    }
    apply(theme);
  };
  apply(kept() ?? (dark.matches ? "dark" : "light"));
  dark.addEventListener("change", () => kept() ?? apply(dark.matches ? "dark" : "light"));
  addEventListener("DOMContentLoaded", () =>
    document.getElementById("theme-button").addEventListener("click", choose),
  );
})();
