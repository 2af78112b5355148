/**
 * Scripts for shells. Each asks `blockferry complete -- WORDS` and offers what comes back: a value and a remark a line with a tab
 * between, or `:files`. They are our own because candidates are names from clouds: a script that puts them through `eval` or
 * `compgen -W`, as generators do, runs what a name says.
 */
export const shells = ['bash', 'zsh', 'fish', 'powershell'] as const;
export type Shell = (typeof shells)[number];

export const completionScripts: Readonly<Record<Shell, string>> = {
  bash: `# bash completion of blockferry: source <(blockferry completion bash)
_blockferry() {
  local current=\${COMP_WORDS[COMP_CWORD]} value about
  [[ $current == = ]] && current=
  COMPREPLY=()
  while IFS=$'\\t' read -r value about; do
    if [[ $value == :files ]]; then compopt -o default; return; fi
    if [[ $value == "$current"* ]]; then printf -v value %q "$value"; COMPREPLY+=("$value"); fi
  done < <(blockferry complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _blockferry blockferry
`,
  zsh: `#compdef blockferry
# zsh completion of blockferry: source <(blockferry completion zsh), after compinit
_blockferry() {
  local -a values shown
  local value about
  while IFS=$'\\t' read -r value about; do
    if [[ $value == :files ]]; then _files; return; fi
    values+=("$value")
    shown+=("$value\${about:+  -- $about}")
  done < <(blockferry complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)
  (( $#values )) && compadd -l -d shown -a values
}
compdef _blockferry blockferry
`,
  fish: `# fish completion of blockferry: blockferry completion fish | source
function __blockferry_complete
    set -l before (commandline -opc)
    set -l current (commandline -ct)
    set -l found (blockferry complete -- $before[2..-1] "$current" 2>/dev/null)
    if test "$found" = :files
        __fish_complete_path "$current"
    else
        printf '%s\\n' $found
    end
end
complete -c blockferry -f -a '(__blockferry_complete)'
`,
  powershell: `# PowerShell completion of blockferry: blockferry completion powershell | Out-String | Invoke-Expression
Register-ArgumentCompleter -Native -CommandName blockferry -ScriptBlock {
  param($wordToComplete, $commandAst, $cursorPosition)
  $words = @($commandAst.CommandElements | Select-Object -Skip 1 | ForEach-Object { "$_" })
  if ($wordToComplete -eq '') { $words += '' }
  blockferry complete -- @words 2>$null | Where-Object { $_ -ne ':files' } | ForEach-Object {
    $value, $about = $_ -split "\`t", 2
    if (-not $about) { $about = $value }
    if ($value.StartsWith($wordToComplete)) {
      [System.Management.Automation.CompletionResult]::new($value, $value, 'ParameterValue', $about)
    }
  }
}
`,
};
