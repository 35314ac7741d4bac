// Sets the chosen theme before the first paint; the page's policy allows no inline script.
try {
  const theme = localStorage.getItem("towpath.theme");
  if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
} catch {
  // Storage is switched off: the theme of the system holds.
}
