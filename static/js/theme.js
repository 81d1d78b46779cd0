// Sets the theme before anything is painted. Not a module, so that it runs at once.
(() => {
  const root = document.documentElement;
  const kept = () => {
    try { return localStorage.getItem("theme"); } catch { return null; }
  };
  const apply = (theme) => {
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
    else delete root.dataset.theme;
  };
  apply(kept());

  // The button that main.js shows: system, light, dark.
  window.streamlabTheme = {
    current: () => root.dataset.theme || "system",
    choose(theme) {
      apply(theme);
      try {
        if (theme === "system") localStorage.removeItem("theme");
        else localStorage.setItem("theme", theme);
      } catch { /* private browsing: the choice lasts as long as the page */ }
      window.dispatchEvent(new Event("themechange"));
    },
  };
  window.addEventListener("storage", (event) => {
    if (event.key !== "theme") return;
    apply(event.newValue);
    window.dispatchEvent(new Event("themechange"));
  });
})();
